"""Spectrum correction from aligned recordings (Kosmider 2020; as augmentation: MihawkHu's DCASE 2020 code)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch

from ..batch import Batch
from ..errors import SettingError, within
from .mean_spectra import rounded

_FLOOR = 1e-10  # of a magnitude in a ratio: what digital silence is divided by


@dataclass(frozen=True)
class AlignedCorrectionDraw:
    """Which clips of the batch are corrected, (batch,) bool."""

    corrected: np.ndarray


class AlignedCorrection:
    """Multiplies spectra of the main device by the mean ratio |other device| / |main device| of each FFT bin.

    The ratio is averaged over frames, pairs and devices of clips that recorded the same segment at the same time. Acts
    on power spectra, so by its square. Without aligned clips it does nothing.

    Args:
        p: share of the main device's clips that are corrected, 0..1.
        main: the device to correct.
        n_pairs: pairs of each device that are listened to, 1 or more.
        ratio: the mean ratio of magnitudes, (frequency,); learned by `fit`.
    """

    places = ("spectrum",)

    def __init__(self, p: float = 0.5, main: str = "a", n_pairs: int = 150, ratio: tuple[float, ...] | None = None):
        within("AlignedCorrection.p", p, 0, 1)
        if n_pairs < 1:
            raise SettingError(f"AlignedCorrection.n_pairs takes 1 or more; {n_pairs} came.")
        self.p, self.main, self.n_pairs = p, main, n_pairs
        self.ratio = None if ratio is None else np.asarray(ratio, dtype=np.float64)

    def fit(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """The ratio of the training clips; clips of one segment have to follow each other."""
        sums: dict[str, np.ndarray] = {}
        pairs: dict[str, int] = {}
        for segment, group in groupby(_recordings(batches), key=lambda one: one[0]):
            recordings = {device: magnitude for _, device, magnitude in group if device}
            main = recordings.pop(self.main, None)
            if main is None or not segment:
                continue
            for device, magnitude in recordings.items():
                if pairs.get(device, 0) < self.n_pairs:
                    sums[device] = sums.get(device, 0.0) + _ratio(magnitude, main)
                    pairs[device] = pairs.get(device, 0) + 1
        if not sums:
            return {}
        return {"ratio": rounded(np.mean([total / pairs[device] for device, total in sums.items()], axis=0))}

    def draw(self, batch: Batch, rng: np.random.Generator) -> AlignedCorrectionDraw:
        chosen = rng.random(len(batch.x)) < self.p
        if self.ratio is None or not batch.device:
            return AlignedCorrectionDraw(np.zeros_like(chosen))
        return AlignedCorrectionDraw(chosen & (np.asarray(batch.device) == self.main))

    def apply(self, batch: Batch, params: AlignedCorrectionDraw) -> Batch:
        if self.ratio is None or not params.corrected.any():
            return batch
        gain = np.where(params.corrected[:, None], np.square(self.ratio), 1.0)
        return replace(batch, x=batch.x * torch.as_tensor(gain, dtype=batch.x.dtype, device=batch.x.device)[:, :, None])


def _recordings(batches: Iterable[Batch]) -> Iterator[tuple[str, str, np.ndarray]]:
    """(segment, device, magnitudes (window, frequency, frame)) of each recording of a batch, in order of segments."""
    for batch in batches:
        keys = list(zip(batch.segment, batch.device, strict=False))
        for segment, device in sorted(set(keys)):
            rows = [i for i, key in enumerate(keys) if key == (segment, device)]
            yield segment, device, batch.x[rows].double().clamp(min=0).sqrt().cpu().numpy()


def _ratio(other: np.ndarray, main: np.ndarray) -> np.ndarray:
    """Mean over windows and frames of the ratio of magnitudes, (frequency,); recordings may differ in length."""
    n, frames = min(len(other), len(main)), min(other.shape[-1], main.shape[-1])
    other, main = other[:n, :, :frames], main[:n, :, :frames]
    return (np.maximum(other, _FLOOR) / np.maximum(main, _FLOOR)).mean((0, 2))
