"""High frequencies raised, as the network was trained with it."""

from __future__ import annotations

import numpy as np

from ..errors import within
from .frames import check_filled


class PreEmphasis:
    """(batch, time) float32 -> the same shape: y[t] = x[t] - coefficient * x[t - 1], the start mirrored.

    Raises SettingError for a coefficient outside 0..1, AudioError for fewer than 2 samples.
    """

    def __init__(self, coefficient: float = 0.97):
        within("PreEmphasis.coefficient", coefficient, 0, 1)
        self.coefficient = np.float32(coefficient)

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        check_filled("PreEmphasis", waveform.shape[-1], 2, "a sample and its neighbour")
        raised = waveform.astype(np.float32)  # a copy
        raised[..., 1:] -= self.coefficient * waveform[..., :-1]
        raised[..., 0] -= self.coefficient * waveform[..., 1]
        return raised
