"""Each channel of each clip at mean 0, deviation 1, as the network was trained with it."""

from __future__ import annotations

import numpy as np

from ..errors import SettingError
from .standardising import standardised


class StandardisedClip:
    """(batch, channel, band, frame) float32 -> the same shape: one mean and deviation for a channel's whole map.

    `floor` is the least deviation divided by: it keeps silence at 0.
    """

    def __init__(self, floor: float = 1e-3):
        if not floor > 0:
            raise SettingError(f"StandardisedClip.floor takes a deviation above 0; {floor} came.")
        self.floor = floor

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return standardised(features, (2, 3), self.floor)
