"""What one simulated device makes of a clip: a measured impulse response, then a compressor."""

from __future__ import annotations

from math import gcd

import numpy as np
from scipy.signal import fftconvolve, resample_poly

BLOCK = 64  # samples per level reading of the compressor
CEILING = 10 ** (-1 / 20)  # -1 dBFS


def prepared_response(response: np.ndarray, rate: int, wanted_rate: int) -> np.ndarray:
    """(time,) at `rate` Hz -> (time,) float64 at `wanted_rate` Hz, begun at its largest sample, with unit energy.

    A silent response gives an empty one.
    """
    if rate != wanted_rate:
        shared = gcd(wanted_rate, rate)
        response = resample_poly(response, wanted_rate // shared, rate // shared)
    response = response[np.argmax(np.abs(response)) :]  # the direct path at sample 0: no delay
    energy = np.sum(response**2)
    return response / np.sqrt(energy) if energy > 0 else response[:0]


def convolved(clip: np.ndarray, response: np.ndarray) -> np.ndarray:
    """(time,) float64 through a prepared response: as long and as loud (RMS) as the clip."""
    made = fftconvolve(clip, response)[: len(clip)]
    before, after = np.sqrt(np.mean(clip**2)), np.sqrt(np.mean(made**2))
    return made * (before / after) if after > 0 else made


def compressed(
    clip: np.ndarray, rate: int, threshold_db: float, ratio: float, attack_ms: float, release_ms: float
) -> np.ndarray:
    """(time,) float64 through a feed-forward compressor with a hard knee and no make-up gain; at most -1 dBFS.

    The peak of each block is smoothed by one pole (attack / release); a level L dBFS above the threshold becomes
    threshold + (L - threshold) / ratio; gains between the blocks' centres are interpolated.
    """
    n = -(-len(clip) // BLOCK)
    peaks = np.abs(np.pad(clip, (0, n * BLOCK - len(clip)))).reshape(n, BLOCK).max(1)
    up, down = (float(np.exp(-BLOCK / (rate * ms / 1000))) for ms in (attack_ms, release_ms))
    level, levels = 0.0, []
    for peak in peaks.tolist():  # python floats: the same arithmetic as numpy's scalars, at a tenth of the time
        pole = up if peak > level else down
        level = pole * level + (1 - pole) * peak
        levels.append(level)
    over_db = np.maximum(20 * np.log10(np.maximum(levels, 1e-9)) - threshold_db, 0.0)
    gain = 10 ** (-over_db * (1 - 1 / ratio) / 20)
    made = clip * np.interp(np.arange(len(clip)), (np.arange(n) + 0.5) * BLOCK - 0.5, gain)
    top = np.max(np.abs(made), initial=0.0)
    return made * (CEILING / top) if top > CEILING else made
