"""Spectrum correction as report 001 uses it (section 2.2): device A made to sound like the other devices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..batch import Batch
from ..errors import within
from .mean_spectra import mean_spectra, rounded


@dataclass(frozen=True)
class SpectrumCorrectionDraw:
    """Which clips of the batch are corrected, (batch,) bool."""

    corrected: np.ndarray


class SpectrumCorrection:
    """Adds to clips of the main device the difference of mean log spectra (all other training devices - main).

    Acts on un-normalised log band features. "For additional data": each clip of the main device is shown corrected
    with probability `p` and as recorded otherwise. Without a main device or without others it does nothing.

    Args:
        p: share of the main device's clips that are corrected, 0..1.
        main: the device to correct.
        curve: the difference, (band,), in the units of the features; learned by `fit`.
    """

    places = ("bands",)

    def __init__(self, p: float = 0.5, main: str = "a", curve: tuple[float, ...] | None = None):
        within("SpectrumCorrection.p", p, 0, 1)
        self.p, self.main = p, main
        self.curve = None if curve is None else np.asarray(curve, dtype=np.float64)

    def fit(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """The curve of the training clips; all devices weigh the same, and all clips of a device."""
        spectra = mean_spectra(batches)
        others = [spectrum for device, spectrum in spectra.items() if device != self.main]
        if not others or self.main not in spectra:
            return {}
        return {"curve": rounded(np.mean(others, axis=0) - spectra[self.main])}

    def draw(self, batch: Batch, rng: np.random.Generator) -> SpectrumCorrectionDraw:
        chosen = rng.random(len(batch.x)) < self.p
        if self.curve is None or not batch.device:
            return SpectrumCorrectionDraw(np.zeros_like(chosen))
        return SpectrumCorrectionDraw(chosen & (np.asarray(batch.device) == self.main))

    def apply(self, batch: Batch, params: SpectrumCorrectionDraw) -> Batch:
        if self.curve is None or not params.corrected.any():
            return batch
        curve = torch.as_tensor(self.curve, dtype=batch.x.dtype, device=batch.x.device)
        corrected = torch.as_tensor(params.corrected, dtype=batch.x.dtype, device=batch.x.device)
        return replace(batch, x=batch.x + corrected[:, None, None, None] * curve[:, None])
