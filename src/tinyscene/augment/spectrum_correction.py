"""Spectrum correction as report 001 uses it (section 2.2): device A made to sound like the other devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import SettingError


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
    """

    def __init__(self, p: float = 0.5, main: str = "a"):
        if not 0 <= p <= 1:
            raise SettingError(f"SpectrumCorrection.p takes 0 to 1; {p} came.")
        self.p, self.main = p, main
        self.curve: np.ndarray | None = None

    def fit(self, spectra: Mapping[str, np.ndarray]) -> None:
        """Learn the curve, (band,), from each training device's mean band spectrum. All devices weigh the same."""
        others = [spectrum for device, spectrum in spectra.items() if device and device != self.main]
        self.curve = np.mean(others, axis=0) - spectra[self.main] if others and self.main in spectra else None

    def draw(self, batch: Batch, rng: np.random.Generator) -> SpectrumCorrectionDraw:
        chosen = rng.random(len(batch.target)) < self.p
        if self.curve is None or not batch.device:
            return SpectrumCorrectionDraw(np.zeros_like(chosen))
        return SpectrumCorrectionDraw(chosen & (np.asarray(batch.device) == self.main))

    def apply(self, batch: Batch, params: SpectrumCorrectionDraw) -> Batch:
        if self.curve is None or not params.corrected.any():
            return batch
        curve = torch.as_tensor(self.curve, dtype=batch.x.dtype, device=batch.x.device)
        corrected = torch.as_tensor(params.corrected, dtype=batch.x.dtype, device=batch.x.device)
        return replace(batch, x=batch.x + corrected[:, None, None, None] * curve[:, None])
