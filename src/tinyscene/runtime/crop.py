"""The same frames of every map, as the network was trained with them."""

from __future__ import annotations

import numpy as np

from ..errors import SettingError, within


class Crop:
    """(batch, channel, band, frame) -> (batch, channel, band, n_frames): the frames from `start` on."""

    def __init__(self, n_frames: int, start: int = 0):
        check_crop(n_frames, start)
        self.n_frames, self.start = n_frames, start

    def __call__(self, features: np.ndarray) -> np.ndarray:
        check_reach(features.shape[-1], self.n_frames, self.start)
        return features[..., self.start : self.start + self.n_frames]


def check_crop(n_frames: int, start: int) -> None:
    """SettingError naming the field of Crop that is out of range."""
    within("Crop.n_frames", n_frames, 1)
    within("Crop.start", start, 0)


def check_reach(came: int, n_frames: int, start: int) -> None:
    """SettingError when the crop ends beyond the `came` frames of a map."""
    if start + n_frames > came:
        raise SettingError(
            f"Crop.n_frames takes up to {max(came - start, 0)} of a map's {came} frames (from Crop.start {start}); "
            f"{n_frames} came. Lower it or lengthen task.window_s."
        )
