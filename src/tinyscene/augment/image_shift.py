"""Image-style shifts (report 000, section 2.3.1): the map moved along frames and bands, its edges held."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import SettingError, within


@dataclass(frozen=True)
class ImageShiftDraw:
    """How far each clip is moved, (batch,): frames, with fractions, to the later; bands to the higher."""

    frames: np.ndarray
    bands: np.ndarray


class ImageShift:
    """(batch, channel, band, frame) moved as Keras' ImageDataGenerator moves pictures.

    Its width_shift_range 0.6 is +-0.6 of the frames, evenly and with fractions (linear between frames); its
    height_shift_range 3, being whole, is one of -2..2 bands. What is moved in from outside is the edge, repeated.

    Args:
        frames: greatest shift along frames, as a share of them, 0..1.
        bands: bound of the shift along bands, itself left out, 1 or more: 1 moves none.
    """

    places = ("features", "bands")

    def __init__(self, frames: float = 0.6, bands: int = 3):
        within("ImageShift.frames", frames, 0, 1)
        if bands < 1 or bands != int(bands):
            raise SettingError(f"ImageShift.bands takes a whole number from 1; {bands} came.")
        self.frames, self.bands = frames, int(bands)

    def draw(self, batch: Batch, rng: np.random.Generator) -> ImageShiftDraw:
        n, n_frames = len(batch.x), batch.x.shape[-1]
        frames = rng.uniform(-self.frames, self.frames, n) * n_frames
        return ImageShiftDraw(frames, rng.integers(1 - self.bands, self.bands, n))

    def apply(self, batch: Batch, params: ImageShiftDraw) -> Batch:
        x = batch.x
        n, n_channels, n_bands, n_frames = x.shape
        clip = torch.arange(n, device=x.device)
        bands = torch.as_tensor(params.bands, device=x.device)[:, None]
        band = (torch.arange(n_bands, device=x.device) - bands).clamp(0, n_bands - 1)  # (clip, band)
        frames = torch.as_tensor(params.frames, dtype=torch.float64, device=x.device)[:, None]
        position = (torch.arange(n_frames, device=x.device) - frames).clamp(0, n_frames - 1)  # (clip, frame)
        before = position.floor().long()
        after = (before + 1).clamp(max=n_frames - 1)
        weight = (position - before).to(x.dtype)[:, None, None]

        moved = x[clip[:, None], :, band].transpose(1, 2)  # (clip, channel, band, frame)
        shape = (n, n_channels, n_bands, n_frames)
        at_before = moved.gather(-1, before[:, None, None].expand(shape))
        at_after = moved.gather(-1, after[:, None, None].expand(shape))
        return replace(batch, x=torch.lerp(at_before, at_after, weight.expand(shape)))
