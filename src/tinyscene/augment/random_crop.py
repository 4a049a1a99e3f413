"""A random window of each clip."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..errors import SettingError, within


@dataclass(frozen=True)
class RandomCropDraw:
    """First sample or frame of each clip's window, (batch,) int, and the window's length."""

    start: np.ndarray
    length: int


class RandomCrop:
    """`length` samples or frames in a row, from a place of each clip's own; a mask in frames is cropped alike.

    Args:
        length: samples of a waveform, else frames, 1 or more; None keeps the clips as they are.
    """

    places = ("wave", "features", "bands", "spectrum")

    def __init__(self, length: int | None = None):
        if length is not None:
            within("RandomCrop.length", length, 1)
        self.length = length

    def draw(self, batch: Batch, rng: np.random.Generator) -> RandomCropDraw:
        whole = batch.x.shape[-1]
        length = whole if self.length is None else self.length
        if length > whole:
            unit = "samples" if batch.x.dim() == 2 else "frames"
            raise SettingError(
                f"RandomCrop.length takes up to the {whole} {unit} of the clips that it crops; {length} came. "
                "Make it shorter, or the loader's window longer."
            )
        return RandomCropDraw(rng.integers(whole - length, size=len(batch.x), endpoint=True), length)

    def apply(self, batch: Batch, params: RandomCropDraw) -> Batch:
        def cropped(clips: Tensor) -> Tensor:
            windows = [clip.narrow(-1, start, params.length) for clip, start in zip(clips, params.start, strict=True)]
            return torch.stack(windows)

        mask = batch.mask
        if mask is not None and mask.shape[-1] == batch.x.shape[-1]:
            mask = cropped(mask)
        return replace(batch, x=cropped(batch.x), mask=mask)
