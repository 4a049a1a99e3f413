"""Squeeze and excitation (Hu et al. 2018): channels weighed by a small network on their means."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import within


class SqueezeExcitation(nn.Module):
    """(batch, channel, band, frame) -> the same shape, each channel times a weight of 0..1.

    Args:
        channels: of the maps. reduction: the inner width is channels // reduction, 1 at least.
    """

    def __init__(self, channels: int, reduction: int = 8):
        super().__init__()
        within("SqueezeExcitation.channels", channels, 1)
        within("SqueezeExcitation.reduction", reduction, 1)
        inner = max(1, channels // reduction)
        self.inner = nn.Sequential(nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.inner(x.mean((2, 3))))[:, :, None, None]
