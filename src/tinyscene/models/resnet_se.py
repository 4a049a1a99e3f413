"""ResNetSE: residual blocks with squeeze and excitation, the second network of report 002 (Heo 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import SettingError, within
from ..nn.mfm import max_feature_map
from ..nn.squeeze_excitation import SqueezeExcitation

STRIDES = (1, 2, 2, 1)  # of the four stages


class ResNetSE(nn.Module):
    """Features (batch, in_channels, band, frame) -> logits (batch, n_classes).

    A 7x7 stem of stride 2 along bands, four stages of basic blocks, the mean over bands, attention over frames and a
    linear layer (report 002, section 3.2: 17 convolutions, a max feature map for every ReLU, ordinary convolutions in
    stem and first stage, decomposed ones after). The report prints 63,547 parameters and the widths; stem, head and
    reduction are the reading that gives them, one of several.

    Args:
        n_classes: outputs. in_channels: channels of the features.
        widths: channels of the four stages; from the second on multiples of 2.
        blocks: basic blocks of each stage. reduction: of squeeze and excitation.
    """

    def __init__(
        self,
        n_classes: int = 10,
        in_channels: int = 3,
        widths: tuple[int, ...] = (16, 24, 28, 32),
        blocks: int = 2,
        reduction: int = 8,
    ):
        super().__init__()
        if len(widths) != 4 or min(widths) < 2 or any(width % 2 for width in widths):
            raise SettingError(f"ResNetSE.widths takes four even numbers from 2; {tuple(widths)} came.")
        within("ResNetSE.n_classes", n_classes, 2)
        within("ResNetSE.in_channels", in_channels, 1)
        within("ResNetSE.blocks", blocks, 1)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 2 * widths[0], 7, stride=(2, 1), padding=3), nn.BatchNorm2d(2 * widths[0])
        )
        stages, i = [], widths[0]
        for stage, (width, stride) in enumerate(zip(widths, STRIDES, strict=True)):
            for block in range(blocks):
                stages.append(ResidualBlock(i, width, 1 if block else stride, stage > 0, reduction))
                i = width
        self.stages = nn.Sequential(*stages)
        self.attention = nn.Linear(i, 1)
        self.head = nn.Linear(i, n_classes)

    def forward(self, features: Tensor) -> Tensor:
        x = self.stages(max_feature_map(self.stem(features)))
        frames = x.mean(2).transpose(1, 2)  # (batch, frame, channel)
        weights = torch.softmax(self.attention(frames), dim=1)
        return self.head((weights * frames).sum(1))


class ResidualBlock(nn.Module):
    """Two convolutions, each with max feature map and norm, attention to channels, and the way past them."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, decomposed: bool, reduction: int):
        super().__init__()
        conv = decomposed_conv if decomposed else _plain
        self.first = conv(in_channels, 2 * out_channels, stride)
        self.second = conv(out_channels, 2 * out_channels, 1)
        self.norms = nn.ModuleList((nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)))
        self.attention = SqueezeExcitation(out_channels, reduction)
        same = in_channels == out_channels and stride == 1
        self.past = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.norms[0](max_feature_map(self.first(x)))
        y = self.norms[1](max_feature_map(self.second(y)))
        return self.attention(y) + self.past(x)


def decomposed_conv(in_channels: int, out_channels: int, stride: int, factor: int = 4) -> nn.Module:
    """1x1 to out / factor, 3x3 there, 1x1 to out, no biases (Koutini et al. 2020)."""
    inner = max(1, out_channels // factor)
    return nn.Sequential(
        nn.Conv2d(in_channels, inner, 1, bias=False),
        nn.Conv2d(inner, inner, 3, stride, 1, bias=False),
        nn.Conv2d(inner, out_channels, 1, bias=False),
    )


def _plain(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
