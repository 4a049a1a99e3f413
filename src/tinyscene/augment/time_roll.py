"""Time shift of report 004 (section 3.1): the map rolled round along its frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import within


@dataclass(frozen=True)
class TimeRollDraw:
    """Frames by which each clip is rolled to the later, (batch,)."""

    frames: np.ndarray


class TimeRoll:
    """Each clip's frames rolled round by N(0, deviation), rounded; what leaves at one end comes in at the other.

    A mask in frames is rolled alike.

    Args:
        deviation: standard deviation in frames, 0 or more ("N(0, 10)" in the report).
    """

    places = ("features", "bands", "spectrum")

    def __init__(self, deviation: float = 10.0):
        within("TimeRoll.deviation", deviation, 0)
        self.deviation = deviation

    def draw(self, batch: Batch, rng: np.random.Generator) -> TimeRollDraw:
        return TimeRollDraw(np.rint(rng.normal(0, self.deviation, len(batch.x))).astype(np.int64))

    def apply(self, batch: Batch, params: TimeRollDraw) -> Batch:
        mask = batch.mask
        if mask is not None and mask.shape[-1] == batch.x.shape[-1]:
            mask = rolled(mask, params.frames)
        return replace(batch, x=rolled(batch.x, params.frames), mask=mask)


def rolled(x: torch.Tensor, by: np.ndarray) -> torch.Tensor:
    """(batch, ..., frame) with clip i rolled to the later by by[i]."""
    n_frames = x.shape[-1]
    shift = torch.as_tensor(by, device=x.device)[:, None]
    index = (torch.arange(n_frames, device=x.device) - shift) % n_frames
    return x.gather(-1, index.view(len(x), *[1] * (x.dim() - 2), n_frames).expand(x.shape))
