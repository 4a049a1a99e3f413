"""CBAM (Woo et al. 2018): attention to channels, then to places."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import within


class CBAM(nn.Module):
    """(batch, channel, band, frame) -> the same shape.

    Channels are weighed by the sigmoid of a shared two-layer network on their means and on their maxima, then places by
    that of a 7x7 convolution, without bias and with batch norm, on the maps of the channels' maximum and mean.

    Args:
        channels: of the maps. reduction: the inner width is channels // reduction, 1 at least.
    """

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        within("CBAM.channels", channels, 1)
        within("CBAM.reduction", reduction, 1)
        inner = max(1, channels // reduction)
        self.channel = nn.Sequential(nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels))
        self.place = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1))

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.channel(x.mean((2, 3))) + self.channel(x.amax((2, 3))))
        x = x * weights[:, :, None, None]
        maps = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.place(maps))
