"""Finishing step of report 002: each band of each clip at mean 0, deviation 1 over its frames."""

from __future__ import annotations

from torch import Tensor, nn

from ..dsp.standardising import standardised
from ..errors import SettingError


class StandardisedBands(nn.Module):
    """(batch, channel, band, frame) -> the same shape: a mean and deviation over frames for each clip, channel, band.

    Report 002 is silent; both public codes of its group (shimhz/AMFM, Jungjee/DcaseNet) do so before the deltas. There
    a deviation below 1e-3 becomes 1e-3, so `floor` is the least one divided by; nothing is added to the others. They
    divide by the sample's deviation, which one frame does not have; here it is the population's, 0.2 % less of 251.
    """

    def __init__(self, floor: float = 1e-3):
        super().__init__()
        if not floor > 0:
            raise SettingError(f"StandardisedBands.floor takes a deviation above 0; {floor} came.")
        self.floor = floor

    def forward(self, bands: Tensor) -> Tensor:
        return standardised(bands, (3,), self.floor)
