"""SpecAugment's masks (Park et al. 2019): stripes of bands and of frames set to one value."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..errors import SettingError


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
        fill: value of the masked cells (0 is the mean of standardised features).
    """

    places = ("features", "bands")

    def __init__(
        self,
        band_masks: int = 2,
        band_width: int = 2,
        frame_masks: int = 2,
        frame_width: int = 2,
        fill: float = 0.0,
    ):
        for name, value in (
            ("band_masks", band_masks),
            ("band_width", band_width),
            ("frame_masks", frame_masks),
            ("frame_width", frame_width),
        ):
            if value < 0:
                raise SettingError(f"SpecAugment.{name} takes 0 or more; {value} came.")
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
        bands = _inside(params.band_start, params.band_width, n_bands, batch.x.device)
        frames = _inside(params.frame_start, params.frame_width, n_frames, batch.x.device)
        masked = bands[:, None, :, None] | frames[:, None, None, :]
        return replace(batch, x=batch.x.masked_fill(masked, self.fill))


def _stripes(rng: np.random.Generator, n: int, masks: int, widest: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    width = rng.integers(0, min(widest, size) + 1, (n, masks))
    return rng.integers(0, size - width + 1), width


def _inside(start: np.ndarray, width: np.ndarray, size: int, device: torch.device) -> Tensor:
    index = np.arange(size)
    hit = (index >= start[..., None]) & (index < (start + width)[..., None])
    return torch.as_tensor(hit.any(axis=1), device=device)
