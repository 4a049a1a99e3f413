"""Each band of each clip at mean 0, deviation 1 over its frames, as the network was trained with it."""

from __future__ import annotations

import numpy as np

from ..errors import SettingError
from .standardising import standardised


class StandardisedBands:
    """(batch, channel, band, frame) float32 -> the same shape: a mean and deviation for each clip, channel and band.

    `floor` is the least deviation divided by: it keeps steady bands at 0.
    """

    def __init__(self, floor: float = 1e-3):
        if not floor > 0:
            raise SettingError(f"StandardisedBands.floor takes a deviation above 0; {floor} came.")
        self.floor = floor

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return standardised(features, (3,), self.floor)
