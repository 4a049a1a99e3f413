"""Sample rate conversion by soxr.

numpy and soxr are imported in the function: this file is loaded with the package, and most clips need neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SettingError

if TYPE_CHECKING:
    import numpy as np


def resample(waveform: np.ndarray, rate_from: int, rate_to: int) -> np.ndarray:
    """(..., time) at `rate_from` Hz -> (..., round(time * rate_to / rate_from)) float32 at `rate_to` Hz.

    soxr's "HQ" recipe: linear phase, pass band to 0.91 of the lower Nyquist frequency, above it 120 dB down, and no
    shift in time. Equal rates return the waveform itself; no clip becomes shorter than one sample.
    """
    import numpy as np

    if rate_from < 1 or rate_to < 1:
        raise SettingError(f"resample takes sample rates of 1 Hz or more; {rate_from} and {rate_to} Hz came.")
    waveform = np.asarray(waveform, dtype=np.float32)
    if rate_from == rate_to or waveform.size == 0:
        return waveform
    import soxr

    n_samples = max(1, round(waveform.shape[-1] * rate_to / rate_from))
    rows = waveform.reshape(-1, waveform.shape[-1])
    result = np.zeros((len(rows), n_samples), dtype=np.float32)
    for target, row in zip(result, rows, strict=True):
        # soxr rounds halves up, round() to even: the lengths differ by one sample at most.
        made = soxr.resample(row, rate_from, rate_to, quality="HQ")[:n_samples]
        target[: len(made)] = made
    return result.reshape(*waveform.shape[:-1], n_samples)
