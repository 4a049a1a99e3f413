"""Standardise each clip's map, and add its standardised deltas (report 001, section 2.1)."""

from __future__ import annotations

import numpy as np

from ..errors import SettingError


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
        level = _standardised(features.astype(np.float32, copy=False), self.floor)
        return np.concatenate([level, _standardised(deltas(level, self.win_length), self.floor)], axis=1)


def deltas(x: np.ndarray, win_length: int = 5) -> np.ndarray:
    """(..., frame) -> (..., frame): the slope of the line fitted to the win_length frames around each."""
    reach = (win_length - 1) // 2
    n_frames = x.shape[-1]
    edges = [(0, 0)] * (x.ndim - 1) + [(reach, reach)]
    padded = np.pad(x, edges, mode="edge")
    total = np.zeros_like(x)
    for k in range(1, reach + 1):
        ahead, behind = padded[..., reach + k :][..., :n_frames], padded[..., reach - k :][..., :n_frames]
        total += x.dtype.type(k) * (ahead - behind)
    return total / x.dtype.type(2 * sum(k * k for k in range(1, reach + 1)))


def _standardised(x: np.ndarray, floor: float) -> np.ndarray:
    """(batch, ...) -> each item with mean 0 and std 1. The sums run in float64: a map's mean is far from 0."""
    axes = tuple(range(1, x.ndim))
    mean = x.mean(axis=axes, keepdims=True, dtype=np.float64)
    centred = x - mean.astype(np.float32)
    # What rounding the mean to float32 left in `centred` is taken out again: std is about the true mean.
    rest = mean - mean.astype(np.float32)
    variance = np.square(centred).mean(axis=axes, keepdims=True, dtype=np.float64) - rest**2
    std = np.maximum(np.sqrt(np.maximum(variance, 0.0)), floor)
    return (centred - rest.astype(np.float32)) / std.astype(np.float32)
