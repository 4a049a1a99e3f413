"""Spectrum correction from aligned recordings (Kosmider 2020; as augmentation: MihawkHu's DCASE 2020 code)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..errors import within
from .mean_spectra import rounded

_GAP = 1e-4  # of a window's mean power: a frame below it is a gap


@dataclass(frozen=True)
class AlignedCorrectionDraw:
    """Which clips of the batch are corrected, (batch,) bool."""

    corrected: np.ndarray


class AlignedCorrection:
    """Multiplies spectra of the main device by the mean ratio |other device| / |main device| of each FFT bin.

    The ratio is averaged over frames, pairs and devices of clips that recorded the same segment at the same time, but
    for the frames in which either is silent. Acts on power spectra, so by its square. Without aligned clips it does
    nothing.

    Args:
        p: share of the main device's clips that are corrected, 0..1.
        main: the device to correct.
        n_pairs: pairs of each device that are listened to, 1 or more.
        ratio: the mean ratio of magnitudes, (frequency,); learned by `fit`.
    """

    places = ("spectrum",)

    def __init__(self, p: float = 0.5, main: str = "a", n_pairs: int = 150, ratio: tuple[float, ...] | None = None):
        within("AlignedCorrection.p", p, 0, 1)
        within("AlignedCorrection.n_pairs", n_pairs, 1)
        self.p, self.main, self.n_pairs = p, main, n_pairs
        self.ratio = None if ratio is None else np.asarray(ratio, dtype=np.float64)

    def fit(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """The ratio of the training clips; clips of one segment have to follow each other.

        Of more pairs than are wanted, a hash of their segments' names picks some from all over the set.
        """
        ratios: dict[str, dict[str, np.ndarray]] = {}  # by device, then by segment
        for segment, rows in groupby(_rows(batches), key=lambda row: row[0]):
            recordings: dict[str, list[Tensor]] = {}
            for _, device, power in rows:
                recordings.setdefault(device, []).append(power)
            main = recordings.pop(self.main, [])
            for device, other in recordings.items() if main else ():
                own = ratios.setdefault(device, {})
                if len(own) < self.n_pairs or _rank(segment) < max(map(_rank, own)):
                    own[segment] = _ratios(other, main)
                if len(own) > self.n_pairs:
                    del own[max(own, key=_rank)]
        if not ratios:
            return {}
        sums = np.stack([np.sum(list(own.values()), axis=0) for own in ratios.values()])
        total, count = sums[:, 0], sums[:, 1]
        return {"ratio": rounded(np.where(count > 0, total / np.maximum(count, 1), 1.0).mean(0))}

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


def _rows(batches: Iterable[Batch]) -> Iterator[tuple[str, str, Tensor]]:
    """(segment, device, power (frequency, frame)) of each row that has both names, a batch's in order of segments."""
    for batch in batches:
        rows = zip(batch.segment, batch.device, batch.x, strict=False)
        yield from sorted((row for row in rows if row[0] and row[1]), key=lambda row: row[0])


def _rank(segment: str) -> int:
    return crc32(segment.encode())


def _ratios(other: list[Tensor], main: list[Tensor]) -> np.ndarray:
    """Sum over frames of the ratios of magnitudes, and their number, (2, frequency); windows may differ in length."""
    result = np.zeros((2, len(main[0])))
    for pair in zip(other, main, strict=False):
        n_frames = min(power.shape[-1] for power in pair)
        x, y = (power[:, :n_frames].double().cpu().numpy() for power in pair)
        both = _heard(x) & _heard(y)
        result += np.sqrt(np.divide(x, y, out=np.zeros_like(x), where=both)).sum(-1), both.sum(-1)
    return result


def _heard(power: np.ndarray) -> np.ndarray:
    """(frequency, frame) bool: not in a gap of the recording or at its edge, where a ratio has no bounds."""
    level = power.mean(0)
    return (power > 0) & (level > _GAP * level.mean())
