"""Maps brought to mean 0 and deviation 1, in numpy."""

from __future__ import annotations

import numpy as np


def standardised(x: np.ndarray, axes: tuple[int, ...], floor: float) -> np.ndarray:
    """(x - mean) / max(deviation, floor), both over `axes`; the deviation is the population's; same shape, float32.

    The sums run in float64: a map's mean is far from 0.
    """
    x = x.astype(np.float32, copy=False)
    mean = x.mean(axis=axes, keepdims=True, dtype=np.float64)
    centred = x - mean.astype(np.float32)
    # What rounding the mean to float32 left in `centred` is taken out again: the deviation is about the true mean.
    rest = mean - mean.astype(np.float32)
    variance = np.square(centred).mean(axis=axes, keepdims=True, dtype=np.float64) - rest**2
    deviation = np.maximum(np.sqrt(np.maximum(variance, 0.0)), floor)
    return (centred - rest.astype(np.float32)) / deviation.astype(np.float32)
