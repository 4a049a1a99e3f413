"""Sample rate conversion by soxr.

numpy and soxr are imported in the function: this file is loaded with the package, and most clips need neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def resample_blocks(blocks: Iterable[np.ndarray], rate_from: int, rate_to: int) -> Iterator[np.ndarray]:
    """`resample` of sound that comes in blocks (time,) float32: what comes out, end to end, is the same to the bit."""
    if rate_from == rate_to:
        yield from blocks
        return
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(rate_from, rate_to, 1, dtype="float32", quality="HQ")
    came = made = 0
    for block in blocks:
        came += len(block)
        part = stream.resample_chunk(block)
        made += len(part)
        yield part
    if not came:
        return
    n_samples = max(1, round(came * rate_to / rate_from))
    rest = stream.resample_chunk(np.empty(0, np.float32), last=True)[: max(n_samples - made, 0)]
    yield np.concatenate([rest, np.zeros(max(n_samples - made - len(rest), 0), np.float32)])
