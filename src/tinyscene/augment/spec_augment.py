"""SpecAugment's masks (Park et al. 2019): stripes of bands and of frames set to one value."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import SettingError
from .stripes import covered


@dataclass(frozen=True)
class SpecAugmentDraw:
    """First index and width of each stripe, (batch, masks), along bands and along frames."""

    band_start: np.ndarray
    band_width: np.ndarray
    frame_start: np.ndarray
    frame_width: np.ndarray


class SpecAugment:
    """(batch, channel, band, frame): every clip gets its own stripes, the same in all its channels.

    Args:
        band_masks, frame_masks: stripes along each axis.
        band_width, frame_width: widest stripe, in bands and frames; widths are uniform on 0..width, both included.
            Where a report gives a "mask parameter" whose bound is left out (report 000: 20 and 3), it is one less.
        fill: value of the masked cells (0 is the mean of standardised features), or "mean" of the clip's channel.
    """

    places = ("features", "bands")

    def __init__(
        self,
        band_masks: int = 2,
        band_width: int = 2,
        frame_masks: int = 2,
        frame_width: int = 2,
        fill: float | str = 0.0,
    ):
        for name, value in (
            ("band_masks", band_masks),
            ("band_width", band_width),
            ("frame_masks", frame_masks),
            ("frame_width", frame_width),
        ):
            if value < 0:
                raise SettingError(f"SpecAugment.{name} takes 0 or more; {value} came.")
        if isinstance(fill, str) and fill != "mean":
            raise SettingError(f"SpecAugment.fill takes a number or 'mean'; '{fill}' came.")
        self.band_masks, self.band_width = band_masks, band_width
        self.frame_masks, self.frame_width = frame_masks, frame_width
        self.fill = fill

    def draw(self, batch: Batch, rng: np.random.Generator) -> SpecAugmentDraw:
        n, _, n_bands, n_frames = batch.x.shape
        band = _stripes(rng, n, self.band_masks, self.band_width, n_bands)
        frame = _stripes(rng, n, self.frame_masks, self.frame_width, n_frames)
        return SpecAugmentDraw(*band, *frame)

    def apply(self, batch: Batch, params: SpecAugmentDraw) -> Batch:
        _, _, n_bands, n_frames = batch.x.shape
        bands = covered(params.band_start, params.band_width, n_bands, batch.x.device)
        frames = covered(params.frame_start, params.frame_width, n_frames, batch.x.device)
        masked = bands[:, None, :, None] | frames[:, None, None, :]
        if isinstance(self.fill, str):
            return replace(batch, x=torch.where(masked, batch.x.mean((2, 3), keepdim=True), batch.x))
        return replace(batch, x=batch.x.masked_fill(masked, self.fill))


def _stripes(rng: np.random.Generator, n: int, masks: int, widest: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    width = rng.integers(0, min(widest, size) + 1, (n, masks))
    return rng.integers(0, size - width + 1), width
