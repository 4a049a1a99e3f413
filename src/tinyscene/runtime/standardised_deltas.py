"""Standardise each clip's map, and add its standardised deltas (report 001, section 2.1)."""

from __future__ import annotations

import numpy as np

from ..errors import SettingError
from .deltas import deltas
from .standardising import standardised


class StandardisedDeltas:
    """(batch, 1, band, frame) -> (batch, 2, band, frame) float32: the standardised map and its standardised deltas.

    Each clip's map becomes (x - mean) / max(std, floor), mean and population std over all bands and frames. The
    second channel is the delta over frames of the first, d[t] = sum_k k x[t + k] / (2 sum_k k^2) for k up to
    (win_length - 1) / 2 with the edge frames repeated (torchaudio's ComputeDeltas), standardised in the same way.
    `win_length` is in frames, odd, 3 or more. `floor` is the least std divided by: it keeps silence at 0.
    """

    def __init__(self, win_length: int = 5, floor: float = 1e-3):
        if win_length < 3 or win_length % 2 == 0:
            raise SettingError(f"StandardisedDeltas.win_length takes an odd number of 3 or more; {win_length} came.")
        if not floor > 0:
            raise SettingError(f"StandardisedDeltas.floor takes a number above 0; {floor} came.")
        self.win_length, self.floor = win_length, floor

    def __call__(self, features: np.ndarray) -> np.ndarray:
        if features.ndim != 4 or features.shape[1] != 1:
            raise SettingError(f"StandardisedDeltas takes maps (batch, 1, band, frame); {features.shape} came.")
        level = standardised(features, (1, 2, 3), self.floor)
        return np.concatenate([level, standardised(deltas(level, self.win_length), (1, 2, 3), self.floor)], axis=1)
