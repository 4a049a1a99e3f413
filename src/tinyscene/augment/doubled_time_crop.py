"""Random crop of doubled time (report 000, section 2.1): the map set twice in a row, and a window of it taken."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import SettingError


@dataclass(frozen=True)
class DoubledTimeCropDraw:
    """First frame of each clip's window, (batch,), and its length."""

    start: np.ndarray
    n_frames: int


class DoubledTimeCrop:
    """(..., frame) set twice in a row, and a window of it: 256x36x3, doubled to 256x72x3, cropped to 256x36x3.

    With as many frames as came it is a roll by any number of frames. At test time nothing is done: the window that
    starts at frame 0 is the map itself. A mask in frames is cropped alike.

    Args:
        n_frames: length of the window, 1 to twice what comes; None keeps the length.
    """

    places = ("features", "bands", "spectrum")

    def __init__(self, n_frames: int | None = None):
        if n_frames is not None and n_frames < 1:
            raise SettingError(f"DoubledTimeCrop.n_frames takes 1 or more, or None; {n_frames} came.")
        self.n_frames = n_frames

    def draw(self, batch: Batch, rng: np.random.Generator) -> DoubledTimeCropDraw:
        frames = batch.x.shape[-1]
        n_frames = frames if self.n_frames is None else self.n_frames
        if n_frames > 2 * frames:
            raise SettingError(
                f"DoubledTimeCrop.n_frames takes at most {2 * frames}, twice the {frames} frames that came; "
                f"{n_frames} came."
            )
        return DoubledTimeCropDraw(rng.integers(0, 2 * frames - n_frames + 1, len(batch.x)), n_frames)

    def apply(self, batch: Batch, params: DoubledTimeCropDraw) -> Batch:
        mask = batch.mask
        if mask is not None and mask.shape[-1] == batch.x.shape[-1]:
            mask = _window(mask, params)
        return replace(batch, x=_window(batch.x, params), mask=mask)


def _window(x: torch.Tensor, params: DoubledTimeCropDraw) -> torch.Tensor:
    start = torch.as_tensor(params.start, device=x.device)[:, None]
    index = (torch.arange(params.n_frames, device=x.device) + start) % x.shape[-1]
    shape = (*x.shape[:-1], params.n_frames)
    return x.gather(-1, index.view(len(x), *[1] * (x.dim() - 2), params.n_frames).expand(shape))
