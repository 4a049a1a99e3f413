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

    Its width_shift_range 0.6 is +-0.6 of the frames, evenly and with fractions (linear between frames). Its
    height_shift_range 3, being whole, is 0, 1 or 2 bands, evenly, and then up or down, evenly: 0 comes twice as often
    as any other of -2..2. What is moved in from outside is the edge, repeated. A mask of the map's size moves along.

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
        return ImageShiftDraw(frames, rng.integers(self.bands, size=n) * rng.choice((-1, 1), n))

    def apply(self, batch: Batch, params: ImageShiftDraw) -> Batch:
        mask = batch.mask
        if mask is not None and mask.shape[-2:] == batch.x.shape[-2:]:
            mask = _moved(mask, params)
        return replace(batch, x=_moved(batch.x, params), mask=mask)


def _moved(x: torch.Tensor, params: ImageShiftDraw) -> torch.Tensor:
    n, _, n_bands, n_frames = x.shape
    # Where each cell comes from, in float64 on the CPU: some devices have none.
    band = (np.arange(n_bands) - params.bands[:, None]).clip(0, n_bands - 1)  # (clip, band)
    position = (np.arange(n_frames) - params.frames[:, None]).clip(0, n_frames - 1)  # (clip, frame)
    before = np.floor(position).astype(np.int64)
    after = np.minimum(before + 1, n_frames - 1)
    weight = torch.as_tensor(position - before, dtype=x.dtype, device=x.device)[:, None, None].expand(x.shape)

    clip = torch.arange(n, device=x.device)[:, None]
    moved = x[clip, :, torch.as_tensor(band, device=x.device)].transpose(1, 2)  # (clip, channel, band, frame)
    at_before, at_after = (
        moved.gather(-1, torch.as_tensor(frame, device=x.device)[:, None, None].expand(x.shape))
        for frame in (before, after)
    )
    return torch.lerp(at_before, at_after, weight)
