"""CNN6CA: separable CNN6 with coordinate attention, the network of report 004 (Xin 2022)."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ..errors import SettingError, within
from ..nn.coordinate_attention import CoordinateAttention
from ..nn.dilated_depthwise_conv import DilatedDepthwiseConv


class CNN6CA(nn.Module):
    """Features (batch, 1, band, frame) -> logits (batch, n_classes).

    Batch norm over the bands, four layers that each halve both axes, the mean over bands, maximum plus mean over
    frames, two linear layers (report 004, section 2; base: SP4ASC, PANNs' CNN6 with its 5x5 convolutions taken apart).
    75,562 parameters; at 256 bands 45.96 MMACs of 44 frames, 29.53 of 29.

    Args:
        n_classes: outputs. n_mels: bands, each with a norm of its own.
        widths: channels of the four layers. reduction: of the attention.
        hidden: width of the layer before the outputs. dropout: before both linear layers, training only.
    """

    def __init__(
        self,
        n_classes: int = 10,
        n_mels: int = 256,
        widths: tuple[int, ...] = (64, 128, 128, 128),
        reduction: int = 32,
        hidden: int = 128,
        dropout: float = 0.1,
    ):
        super().__init__()
        if not widths or min(widths) < 1:
            raise SettingError(f"CNN6CA.widths takes one or more numbers from 1; {tuple(widths)} came.")
        within("CNN6CA.n_classes", n_classes, 2)
        within("CNN6CA.n_mels", n_mels, 2 ** len(widths))
        within("CNN6CA.hidden", hidden, 1)
        within("CNN6CA.dropout", dropout, 0, 1)
        self.n_mels = n_mels
        self.bands = nn.BatchNorm2d(n_mels)
        self.layers = nn.Sequential(*(SeparableLayer(i, o, reduction) for i, o in pairwise((1, *widths))))
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(widths[-1], hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_classes),
        )

    def forward(self, features: Tensor) -> Tensor:
        n_mels, least = self.n_mels, 2 ** len(self.layers)
        if features.shape[1:3] != (1, n_mels) or features.shape[3] < least:
            raise SettingError(
                f"CNN6CA takes features (batch, 1, {n_mels}, frame) of {least} frames or more; "
                f"{tuple(features.shape)} came."
            )
        x = self.bands(features.transpose(1, 2)).transpose(1, 2)
        x = self.layers(x).mean(2)
        return self.head(x.amax(2) + x.mean(2))


class SeparableLayer(nn.Module):
    """A 1x1 convolution, then along frames and along bands 3 taps of every other cell; the sum, attended and pooled."""

    def __init__(self, in_channels: int, out_channels: int, reduction: int):
        super().__init__()
        self.point = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.frame = nn.Sequential(DilatedDepthwiseConv(out_channels, "frame"), nn.BatchNorm2d(out_channels))
        self.band = nn.Sequential(DilatedDepthwiseConv(out_channels, "band"), nn.BatchNorm2d(out_channels))
        self.out = nn.Sequential(nn.ReLU(), CoordinateAttention(out_channels, reduction), nn.AvgPool2d(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.point(x)
        return self.out(self.frame(x) + self.band(x))
