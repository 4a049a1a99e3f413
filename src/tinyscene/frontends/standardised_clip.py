"""Finishing step: each channel of each clip at mean 0, deviation 1."""

from __future__ import annotations

from torch import Tensor, nn

from ..dsp.standardising import standardised
from ..errors import SettingError


class StandardisedClip(nn.Module):
    """(batch, channel, band, frame) -> the same shape: one mean and deviation for the whole map of a clip's channel.

    What report 001, section 2.1, does with its log-mel, without the delta. `floor` is the least deviation divided by:
    it keeps the constant map of digital silence at 0.
    """

    def __init__(self, floor: float = 1e-3):
        super().__init__()
        if not floor > 0:
            raise SettingError(f"StandardisedClip.floor takes a deviation above 0; {floor} came.")
        self.floor = floor

    def forward(self, bands: Tensor) -> Tensor:
        return standardised(bands, (2, 3), self.floor)
