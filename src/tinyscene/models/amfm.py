"""AMFM: attentive max feature maps, the first network of report 002 (Heo 2021)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..errors import SettingError, within
from ..nn.cbam import CBAM
from ..nn.mfm import MFMConv, MFMLinear


class AMFM(nn.Module):
    """Features (batch, in_channels, band, frame) -> logits (batch, n_classes + n_groups): scenes, then scene groups.

    A 3x3 max feature map, four attentive blocks with max-pools between (2x2, rounded up), the global mean, a max
    feature map of 100 and a linear layer (report 002, section 3.1). The report says at most 32 filters and 65,424
    parameters; these filters and norms, after the pattern of the authors' later code, give them: one reading of
    several. With groups the last block and the head are there twice, one a task (77,572 parameters): the branch of the
    groups is for training, `without_groups` leaves it out.

    Args:
        n_classes, n_groups: outputs of the two branches; n_groups 0 leaves the second one out.
        filters: channels of the stem, of the three shared blocks and of the last one.
        hidden: width of the layer before the outputs. reduction: of the attention.
        dropout: before the head, training only. in_channels: channels of the features.
    """

    def __init__(
        self,
        n_classes: int = 10,
        n_groups: int = 0,
        filters: tuple[int, ...] = (24, 32, 32, 24, 16),
        hidden: int = 100,
        reduction: int = 16,
        dropout: float = 0.5,
        in_channels: int = 1,
    ):
        super().__init__()
        if len(filters) != 5 or min(filters) < 1:
            raise SettingError(f"AMFM.filters takes five numbers from 1; {tuple(filters)} came.")
        within("AMFM.n_classes", n_classes, 2)
        within("AMFM.n_groups", n_groups, 0)
        within("AMFM.hidden", hidden, 1)
        within("AMFM.dropout", dropout, 0, 1)
        within("AMFM.in_channels", in_channels, 1)
        stem, first, second, third, last = filters
        self.shared = nn.Sequential(
            nn.Sequential(MFMConv(in_channels, stem, 3), _pool()),
            nn.Sequential(AttentiveBlock(stem, first, reduction), _pool(), nn.BatchNorm2d(first)),
            nn.Sequential(AttentiveBlock(first, second, reduction), _pool()),
            nn.Sequential(AttentiveBlock(second, third, reduction), nn.BatchNorm2d(third), _pool()),
        )
        self.scenes = _Branch(third, last, reduction, hidden, dropout, n_classes)
        self.groups = _Branch(third, last, reduction, hidden, dropout, n_groups) if n_groups else None

    def forward(self, features: Tensor) -> Tensor:
        x = self.shared(features)
        scenes = self.scenes(x)
        return scenes if self.groups is None else torch.cat([scenes, self.groups(x)], dim=1)

    def without_groups(self) -> AMFM:
        """The network for inference, with these weights and without the branch of the groups."""
        network = copy.deepcopy(self)
        network.groups = None
        return network


class AttentiveBlock(nn.Module):
    """Max feature maps of 1x1 and 3x3, and the larger of the map and its attended self (figure 1)."""

    def __init__(self, in_channels: int, out_channels: int, reduction: int):
        super().__init__()
        self.maps = nn.Sequential(MFMConv(in_channels, in_channels, 1), MFMConv(in_channels, out_channels, 3))
        self.attention = CBAM(out_channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maps(x)
        return torch.maximum(x, self.attention(x))


class _Branch(nn.Module):
    """What each task has of its own."""

    def __init__(self, in_channels: int, width: int, reduction: int, hidden: int, dropout: float, outputs: int):
        super().__init__()
        self.block = nn.Sequential(AttentiveBlock(in_channels, width, reduction), nn.BatchNorm2d(width))
        self.head = nn.Sequential(
            nn.Dropout(dropout), MFMLinear(width, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(x).mean((2, 3)))


def _pool() -> nn.Module:
    return nn.MaxPool2d(2, ceil_mode=True)
