"""Mask-based noise reduction (report 000, section 2.3.1): noise is added, and what it left clean becomes a target."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import unknown, within

_PER_UNIT = {"ln": 1.0, "log10": math.log(10), "db": math.log(10) / 10}  # natural logarithm of power


@dataclass(frozen=True)
class NoiseMaskDraw:
    """Ratio of clip to noise, (batch,) in dB, nan where none is added; noise power, (batch, 1, band, frame), mean 1."""

    snr_db: np.ndarray
    noise: np.ndarray


class NoiseMask:
    """Adds noise to un-normalised log band features and sets Batch.mask to the clean share of each cell, 0..1.

    The report takes the mask "of the clean audio and the corresponding noise-added" features as a label and gives no
    numbers. It acts on bands because the mask then has the cells that the network sees, and band powers add up: the
    mask is clean / (clean + noise), the mean over channels. It is a target for a network with a head for it; without
    one this is plain noise. No system uses it: the report's numbers are those of SpecAugment.

    The noise has the same mean power in every band: white with filters of equal area, else near to pink.

    Args:
        low_snr_db, high_snr_db: range of the ratio of mean band power to mean noise power, even in dB, -100 to 100.
        log: the logarithm of the features, as LogMel.log: "log10", "ln" or "db".
        p: share of the clips that get noise, 0..1.
    """

    places = ("bands",)

    def __init__(self, low_snr_db: float = 0.0, high_snr_db: float = 20.0, log: str = "log10", p: float = 0.5):
        within("NoiseMask.low_snr_db", low_snr_db, -100, 100)
        within("NoiseMask.high_snr_db", high_snr_db, low_snr_db, 100)
        within("NoiseMask.p", p, 0, 1)
        if log not in _PER_UNIT:
            raise unknown("NoiseMask", "log", log, _PER_UNIT)
        self.low_snr_db, self.high_snr_db, self.log, self.p = low_snr_db, high_snr_db, log, p

    def draw(self, batch: Batch, rng: np.random.Generator) -> NoiseMaskDraw:
        n, _, n_bands, n_frames = batch.x.shape
        snr_db = rng.uniform(self.low_snr_db, self.high_snr_db, n)
        snr_db[rng.random(n) >= self.p] = np.nan
        noise = rng.standard_exponential((n, 1, n_bands, n_frames))  # the power of Gaussian noise in a bin
        return NoiseMaskDraw(snr_db, noise / noise.mean((1, 2, 3), keepdims=True))

    def apply(self, batch: Batch, params: NoiseMaskDraw) -> Batch:
        x, scale = batch.x, _PER_UNIT[self.log]
        clean = x * scale  # natural logarithms of power: no power is too great or too small
        snr = torch.as_tensor(params.snr_db * _PER_UNIT["db"], dtype=x.dtype, device=x.device)[:, None, None, None]
        level = clean.logsumexp((1, 2, 3), keepdim=True) - math.log(math.prod(x.shape[1:])) - snr
        noise = level + torch.as_tensor(params.noise, dtype=x.dtype, device=x.device).log()
        chosen = ~snr.isnan()
        noisy = torch.where(chosen, torch.logaddexp(clean, noise) / scale, x)
        mask = torch.where(chosen, (clean - noise).sigmoid(), 1.0)  # = clean / (clean + noise) of the powers
        return replace(batch, x=noisy, mask=mask.mean(1, keepdim=True))
