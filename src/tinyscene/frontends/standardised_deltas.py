"""Finishing step of report 001: the map standardised, its slope beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..dsp import deltas
from ..dsp.standardising import standardised
from ..errors import SettingError


class StandardisedDeltas(nn.Module):
    """(batch, 1, band, frame) -> (batch, 2, band, frame): each map at mean 0, deviation 1, and its delta likewise.

    Report 001, section 2.1 and its code: one mean and deviation over the whole map of each clip; the delta of the
    standardised map is standardised itself. `floor` keeps the constant map of digital silence at 0.
    """

    def __init__(self, win_length: int = 5, floor: float = 1e-3):
        super().__init__()
        if win_length < 3 or win_length % 2 == 0:
            raise SettingError(
                f"StandardisedDeltas.win_length takes an odd number of frames from 3; {win_length} came."
            )
        if floor <= 0:
            raise SettingError(f"StandardisedDeltas.floor takes a deviation above 0; {floor} came.")
        self.win_length, self.floor = win_length, floor

    def forward(self, bands: Tensor) -> Tensor:
        level = standardised(bands, (1, 2, 3), self.floor)
        slope = standardised(deltas(level, self.win_length), (1, 2, 3), self.floor)
        return torch.cat([level, slope], dim=1)
