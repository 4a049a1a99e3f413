"""The map repeated along its frames, as the network was trained with it."""

from __future__ import annotations

import numpy as np

from ..errors import within


class Doubled:
    """(batch, channel, band, frame) -> (batch, channel, band, times * frame): the map, then the map again."""

    def __init__(self, times: int = 2):
        within("Doubled.times", times, 1)
        self.times = times

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return np.concatenate([features] * self.times, axis=-1)
