"""Tempo changed without pitch (report 002: sox tempo 0.75, 0.85, 1.15, 1.25)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..audio.tempo import FASTEST, SLOWEST, change_tempo
from ..batch import Batch
from ..errors import SettingError, within
from .clipwise import chosen_clips, known_rate, with_clips


@dataclass(frozen=True)
class TempoDraw:
    """How many times as fast each clip becomes, (batch,); 1 leaves it alone."""

    factor: np.ndarray


class Tempo:
    """Clips played faster or slower at the same pitch, one factor a clip, in as many samples as came.

    A slower clip is cut. A faster one ends early and is filled by repeating it from its start, unless the loader gives
    `reach` times the samples it wants and keeps the first of them.

    Args:
        factors: what the factor is drawn from, each 0.5 to 2; above 1 is faster.
        p: probability that a clip is changed, 0 to 1.
    """

    places = ("wave",)

    def __init__(self, factors: tuple[float, ...] = (0.75, 0.85, 1.15, 1.25), p: float = 0.5):
        if not factors:
            raise SettingError("Tempo.factors takes one factor or more; none came.")
        for factor in factors:
            within("Tempo.factors", factor, SLOWEST, FASTEST)
        within("Tempo.p", p, 0, 1)
        self.factors, self.p = tuple(factors), p

    @property
    def reach(self) -> float:
        """How many times the wanted samples must come so that none need be filled, 1 or more."""
        return max(1.0, *self.factors)

    def draw(self, batch: Batch, rng: np.random.Generator) -> TempoDraw:
        known_rate(batch, "Tempo")
        factor = rng.choice(self.factors, len(batch.x))
        return TempoDraw(np.where(chosen_clips(batch, self.p, rng), factor, 1.0))

    def apply(self, batch: Batch, params: TempoDraw) -> Batch:
        rate = known_rate(batch, "Tempo")

        def change(i: int, waveform: np.ndarray) -> np.ndarray:
            return np.resize(change_tempo(waveform, rate, params.factor[i]), len(waveform))

        return replace(batch, x=with_clips(batch.x, np.flatnonzero(params.factor != 1).tolist(), change))
