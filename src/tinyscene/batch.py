"""Batch, and THE table of axes, names and units.

| name             | shape                          | unit, range                                              |
|------------------|--------------------------------|----------------------------------------------------------|
| waveform         | (batch, time)                  | float32, full scale = -1..1                              |
| power spectrum   | (batch, frequency, frame)      | squared magnitude of the unnormalised DFT                |
| band features    | (batch, channel, band, frame)  | un-normalised, e.g. log10 of mel power                   |
| finished features| (batch, channel, band, frame)  | what the network takes                                   |
| logits           | (batch, class [+ group])       | scenes in the task's order, then scene groups            |
| target           | (batch, class)                 | soft: rows sum to 1, so mixup and teachers are no special case |
| device, city     | batch strings                  | a, b, c, s1..s6, or '' where the data set has none       |
| segment          | batch strings                  | the moment recorded: equal for one scene on several devices |
| teacher          | (batch, class [+ hidden])      | a teacher's logits [, last hidden layer], mixed as targets are |
| views            | (view, batch, ...)             | crops as x was before augmentation, for a teacher to look at |
| mask             | (batch, 1, band, frame)        | share of clean sound in each cell, 0..1: an auxiliary target |

Suffixes are units (`_hz _ms _s _db`); `n_...` is a size; `n_fft`, `win_length`, `hop_length` are in samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """One batch on its way to the network: x as the table above names it, soft targets, and who recorded what."""

    x: Tensor
    target: Tensor
    device: Sequence[str] = ()
    city: Sequence[str] = ()
    file: Sequence[str] = ()
    segment: Sequence[str] = ()
    epoch: int = 0
    sample_rate_hz: int = 0  # of a waveform; 0: not told
    teacher: Tensor | None = None
    views: Tensor | None = None
    mask: Tensor | None = None
