"""Random gains per FFT bin, before the mel bank: a microphone of its own for every clip (report 002, section 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import within


@dataclass(frozen=True)
class BinGainsDraw:
    """Gain of each bin's power, (batch, frequency); 1 leaves a bin as it is."""

    gains: np.ndarray


class BinGains:
    """Each FFT bin's power times U(1 - alpha, 1 + alpha), the same in all frames of a clip.

    The report multiplies random scales "to each FFT bin of a spectrogram", alpha 0.5 (section 6.2). That is taken to be
    the power spectrum, which the mel bank sums: the mean level of a band stays. Scales of the amplitude, which the same
    section also speaks of, would be the squares of these, and raise it to 1 + alpha**2 / 3.

    Args:
        alpha: half the width of the range, 0..1.
        p: share of the clips that are changed, 0..1.
    """

    places = ("spectrum",)

    def __init__(self, alpha: float = 0.5, p: float = 1.0):
        within("BinGains.alpha", alpha, 0, 1)
        within("BinGains.p", p, 0, 1)
        self.alpha, self.p = alpha, p

    def draw(self, batch: Batch, rng: np.random.Generator) -> BinGainsDraw:
        gains = rng.uniform(1 - self.alpha, 1 + self.alpha, batch.x.shape[:2])
        gains[rng.random(len(batch.x)) >= self.p] = 1.0
        return BinGainsDraw(gains)

    def apply(self, batch: Batch, params: BinGainsDraw) -> Batch:
        gains = torch.as_tensor(params.gains, dtype=batch.x.dtype, device=batch.x.device)
        return replace(batch, x=batch.x * gains[:, :, None])
