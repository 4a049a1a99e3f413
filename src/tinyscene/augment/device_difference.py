"""The form of spectrum correction that report 001's code means: device A made to sound like one other device."""

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
class DeviceDifferenceDraw:
    """Which curve each clip gets, (batch,); -1 for none."""

    curve: np.ndarray


class DeviceDifference:
    """Adds to clips of the main device the difference of mean log spectra between another device, drawn, and itself.

    Acts on un-normalised log band features. The published code draws one of 13 and leaves clips alone for one of them.

    Args:
        p: share of the main device's clips that are changed, 0..1.
        main: the device to change.
        curves: the differences, (device, band), in the units of the features; learned by `fit`.
    """

    places = ("bands",)

    def __init__(self, p: float = 12 / 13, main: str = "a", curves: tuple[tuple[float, ...], ...] | None = None):
        within("DeviceDifference.p", p, 0, 1)
        self.p, self.main = p, main
        self.curves = None if curves is None else np.asarray(curves, dtype=np.float64)

    def fit(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """A curve for each training device but the main one, in alphabetical order."""
        spectra = mean_spectra(batches)
        others = sorted(set(spectra) - {self.main})
        if not others or self.main not in spectra:
            return {}
        return {"curves": tuple(rounded(spectra[device] - spectra[self.main]) for device in others)}

    def draw(self, batch: Batch, rng: np.random.Generator) -> DeviceDifferenceDraw:
        n = len(batch.x)
        chosen = rng.random(n) < self.p
        curve = rng.integers(0, 1 if self.curves is None else len(self.curves), n)
        if self.curves is None or not batch.device:
            return DeviceDifferenceDraw(np.full(n, -1))
        return DeviceDifferenceDraw(np.where(chosen & (np.asarray(batch.device) == self.main), curve, -1))

    def apply(self, batch: Batch, params: DeviceDifferenceDraw) -> Batch:
        if self.curves is None or (params.curve < 0).all():
            return batch
        none = np.zeros((1, self.curves.shape[1]))  # the last row, where index -1 points
        curves = np.concatenate([self.curves, none])[params.curve]
        return replace(
            batch, x=batch.x + torch.as_tensor(curves, dtype=batch.x.dtype, device=batch.x.device)[:, None, :, None]
        )
