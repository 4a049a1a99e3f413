"""Random shift in time: the clip as a ring, begun somewhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import within
from .clipwise import chosen_clips


@dataclass(frozen=True)
class TimeShiftDraw:
    """Samples by which each clip becomes later, (batch,) int; what leaves at its end enters at its start."""

    shift: np.ndarray


class TimeShift:
    """Each clip shifted circularly, later or earlier, by a draw of its own.

    Args:
        max_share: the shift is uniform on -max_share..max_share of the clip's length, 0 to 1.
        p: probability that a clip is shifted, 0 to 1.
    """

    places = ("wave",)

    def __init__(self, max_share: float = 1.0, p: float = 1.0):
        within("TimeShift.max_share", max_share, 0, 1)
        within("TimeShift.p", p, 0, 1)
        self.max_share, self.p = max_share, p

    def draw(self, batch: Batch, rng: np.random.Generator) -> TimeShiftDraw:
        n, n_samples = batch.x.shape
        shift = np.rint(rng.uniform(-self.max_share, self.max_share, n) * n_samples).astype(int)
        return TimeShiftDraw(np.where(chosen_clips(batch, self.p, rng), shift, 0))

    def apply(self, batch: Batch, params: TimeShiftDraw) -> Batch:
        shifts = params.shift.tolist()
        return replace(batch, x=torch.stack([clip.roll(by) for clip, by in zip(batch.x, shifts, strict=True)]))
