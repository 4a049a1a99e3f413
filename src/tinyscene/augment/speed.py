"""Speed: tempo and pitch together, as a tape that runs faster or slower."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..batch import Batch
from ..errors import SettingError, within
from .clipwise import chosen_clips, with_clips

SLOWEST, FASTEST = 0.5, 2.0


@dataclass(frozen=True)
class SpeedDraw:
    """How many times as fast each clip becomes, (batch,); 1 leaves it alone."""

    factor: np.ndarray


class Speed:
    """Clips resampled, so that they end earlier at a higher pitch or later at a lower one, in as many samples as came.

    Known as speed perturbation (Ko et al. 2015), and as random scale to networks for environmental sounds (Tokozume et
    al. 2018, 0.8 to 1.25; ACDNet has it from there). A slower clip is cut. A faster one ends early and is filled by
    repeating it from its start, unless the loader gives `reach` times the samples it wants and keeps the first of them.
    Above half the rate divided by the factor a slower clip has nothing: there was nothing to slow down.

    Args:
        slowest, fastest: the factor's logarithm is uniform between theirs, each 0.5 to 2; above 1 is faster.
        p: probability that a clip is changed, 0 to 1.
    """

    places = ("wave",)

    def __init__(self, slowest: float = 0.8, fastest: float = 1.25, p: float = 1.0):
        within("Speed.slowest", slowest, SLOWEST, FASTEST)
        within("Speed.fastest", fastest, SLOWEST, FASTEST)
        within("Speed.p", p, 0, 1)
        if slowest > fastest:
            raise SettingError(f"Speed.slowest takes at most Speed.fastest, {fastest}; {slowest} came.")
        self.slowest, self.fastest, self.p = slowest, fastest, p

    @property
    def reach(self) -> float:
        """How many times the wanted samples must come so that none need be filled, 1 or more."""
        return max(1.0, self.fastest)

    def draw(self, batch: Batch, rng: np.random.Generator) -> SpeedDraw:
        factor = np.exp(rng.uniform(math.log(self.slowest), math.log(self.fastest), len(batch.x)))
        return SpeedDraw(np.where(chosen_clips(batch, self.p, rng), factor, 1.0))

    def apply(self, batch: Batch, params: SpeedDraw) -> Batch:
        import soxr

        def change(i: int, waveform: np.ndarray) -> np.ndarray:
            return np.resize(soxr.resample(waveform, params.factor[i], 1.0, quality="HQ"), len(waveform))

        return replace(batch, x=with_clips(batch.x, np.flatnonzero(params.factor != 1).tolist(), change))
