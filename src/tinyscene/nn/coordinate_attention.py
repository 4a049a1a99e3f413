"""Coordinate attention (Hou et al. 2021): every band and every frame weighed, channel by channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import within


class CoordinateAttention(nn.Module):
    """(batch, channel, band, frame) -> the same shape, times weights of 0..1 for each band and for each frame.

    Means along either axis go through one 1x1 convolution, batch norm and h-swish, are parted again, and each part goes
    through a 1x1 convolution and a sigmoid of its own.

    Args:
        channels: of the maps. reduction: the inner width is channels // reduction, `least` at least.
    """

    def __init__(self, channels: int, reduction: int = 32, least: int = 8):
        super().__init__()
        within("CoordinateAttention.channels", channels, 1)
        within("CoordinateAttention.reduction", reduction, 1)
        within("CoordinateAttention.least", least, 1)
        inner = max(least, channels // reduction)
        self.inner = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.BatchNorm2d(inner), nn.Hardswish())
        self.band = nn.Conv2d(inner, channels, 1)
        self.frame = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        n_bands, n_frames = x.shape[2:]
        bands = x.mean(3, keepdim=True)
        frames = x.mean(2, keepdim=True).transpose(2, 3)
        bands, frames = self.inner(torch.cat([bands, frames], dim=2)).split([n_bands, n_frames], dim=2)
        return x * torch.sigmoid(self.band(bands)) * torch.sigmoid(self.frame(frames.transpose(2, 3)))
