"""Mask-based noise reduction (report 000, section 2.3.1): noise is added, and what it left clean becomes a target."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import unknown, within

_PER_UNIT = {"ln": 1.0, "log10": np.log(10.0), "db": np.log(10.0) / 10.0}


@dataclass(frozen=True)
class NoiseMaskDraw:
    """Ratio of clip to noise, (batch,) in dB, nan where none is added; noise power, (batch, 1, band, frame), mean 1."""

    snr_db: np.ndarray
    noise: np.ndarray


class NoiseMask:
    """Adds noise to un-normalised log band features and sets Batch.mask to the clean share of each cell, 0..1.

    The report takes the mask "of the clean audio and the corresponding noise-added" features as a label and gives no
    numbers. Band powers add up: the mask is clean / (clean + noise). It is a target for a network with a head for it;
    without one this is plain noise. No system uses it: the report's numbers are those of SpecAugment.

    Args:
        low_snr_db, high_snr_db: range of the ratio of mean band power to mean noise power, even in dB.
        log: the logarithm of the features, as LogMel.log: "log10", "ln" or "db".
        p: share of the clips that get noise, 0..1.
    """

    places = ("bands",)

    def __init__(self, low_snr_db: float = 0.0, high_snr_db: float = 20.0, log: str = "log10", p: float = 0.5):
        within("NoiseMask.high_snr_db", high_snr_db, low_snr_db)
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
        x = batch.x
        scale = _PER_UNIT[self.log]
        log_power = x.double() * scale
        peak = log_power.amax((1, 2, 3), keepdim=True)  # powers relative to it: none overflows
        clean = (log_power - peak).exp()
        snr_db = torch.as_tensor(params.snr_db, device=x.device)[:, None, None, None]
        level = clean.mean((1, 2, 3), keepdim=True) * (10 ** (-snr_db / 10)).nan_to_num(0.0)
        noisy = clean + level * torch.as_tensor(params.noise, device=x.device)
        mask = clean / noisy.clamp(min=torch.finfo(torch.float64).tiny)
        chosen = ~snr_db.isnan()
        louder = torch.where(chosen, (noisy.clamp(min=1e-300).log() + peak) / scale, x.double()).to(x.dtype)
        mask = torch.where(chosen, mask, 1.0).mean(1, keepdim=True).to(x.dtype)
        return replace(batch, x=louder, mask=mask)
