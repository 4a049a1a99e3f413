"""Random gain: clips louder or quieter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import within
from .clipwise import chosen_clips


@dataclass(frozen=True)
class GainDraw:
    """Gain of each clip in dB, (batch,); 0 leaves it alone."""

    gain_db: np.ndarray


class Gain:
    """Each clip times a factor of its own. Nothing is clipped: the result may exceed full scale.

    Args:
        low_db, high_db: the gain is uniform on low_db..high_db, in dB of amplitude, -100 to 100.
        p: probability that a clip is changed, 0 to 1.
    """

    places = ("wave",)

    def __init__(self, low_db: float = -6.0, high_db: float = 6.0, p: float = 1.0):
        within("Gain.low_db", low_db, -100, 100)
        within("Gain.high_db", high_db, low_db, 100)
        within("Gain.p", p, 0, 1)
        self.low_db, self.high_db, self.p = low_db, high_db, p

    def draw(self, batch: Batch, rng: np.random.Generator) -> GainDraw:
        gain_db = rng.uniform(self.low_db, self.high_db, len(batch.x))
        return GainDraw(np.where(chosen_clips(batch, self.p, rng), gain_db, 0.0))

    def apply(self, batch: Batch, params: GainDraw) -> Batch:
        factor = torch.as_tensor(10 ** (params.gain_db / 20), dtype=batch.x.dtype, device=batch.x.device)
        return replace(batch, x=batch.x * factor[:, None])
