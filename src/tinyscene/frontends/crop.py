"""Finishing step: the same frames of every map."""

from __future__ import annotations

from torch import Tensor, nn

from ..runtime.crop import check_crop, check_reach


class Crop(nn.Module):
    """(batch, channel, band, frame) -> (batch, channel, band, n_frames): the frames from `start` on.

    After Doubled, what report 000 tests on: the first 36 of 72 frames.

    Raises:
        SettingError: a crop that ends beyond the frames that come.
    """

    def __init__(self, n_frames: int, start: int = 0):
        super().__init__()
        check_crop(n_frames, start)
        self.n_frames, self.start = n_frames, start

    def forward(self, bands: Tensor) -> Tensor:
        check_reach(bands.shape[-1], self.n_frames, self.start)
        return bands.narrow(-1, self.start, self.n_frames)
