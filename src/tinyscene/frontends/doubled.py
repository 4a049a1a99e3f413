"""Finishing step of report 000: the map repeated along its frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import within


class Doubled(nn.Module):
    """(batch, channel, band, frame) -> (batch, channel, band, times * frame): the map, then the map again.

    Report 000, section 2.1: 36 frames become 72, of which training cuts 36 anywhere (a circular shift, in effect) and
    testing the first 36.
    """

    def __init__(self, times: int = 2):
        super().__init__()
        within("Doubled.times", times, 1)
        self.times = times

    def forward(self, bands: Tensor) -> Tensor:
        return torch.cat([bands] * self.times, dim=-1)
