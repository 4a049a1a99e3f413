"""Deltas beside the map they are made of, as the network was trained with them."""

from __future__ import annotations

import numpy as np

from ..errors import SettingError
from .deltas import deltas

EDGES = ("padded", "valid")
STACKS = {"channel": 1, "band": 2}  # name -> axis


class Deltas:
    """(batch, channel, band, frame) float32 -> the map, its delta and, up to `order`, the delta's delta, stacked.

    `order` is 1 or 2. `win_length` is in frames, odd, 3 or more. `edges` "padded" keeps all frames, "valid" keeps those
    with all their neighbours, order * (win_length - 1) fewer. `stack` is the axis they share: "channel" or "band".
    """

    def __init__(self, order: int = 2, win_length: int = 5, edges: str = "padded", stack: str = "channel"):
        check_deltas(order, win_length, edges, stack)
        self.order, self.win_length, self.edges, self.stack = order, win_length, edges, stack

    def __call__(self, features: np.ndarray) -> np.ndarray:
        check_frames(features.shape[-1], self.order, self.win_length, self.edges)
        maps = [features]
        for _ in range(self.order):
            maps.append(deltas(maps[-1], self.win_length, self.edges))
        n_frames = maps[-1].shape[-1]
        cut = [(one.shape[-1] - n_frames) // 2 for one in maps]  # at each end, so that frames fall on frames
        aligned = [one[..., c : c + n_frames] for c, one in zip(cut, maps, strict=True)]
        return np.concatenate(aligned, axis=STACKS[self.stack])


def check_deltas(order: int, win_length: int, edges: str, stack: str) -> None:
    """SettingError naming the field of Deltas that is out of range."""
    if order not in (1, 2):
        raise SettingError(f"Deltas.order takes 1 or 2; {order} came.")
    if win_length < 3 or win_length % 2 == 0:
        raise SettingError(f"Deltas.win_length takes an odd number of frames from 3; {win_length} came.")
    if edges not in EDGES:
        raise SettingError(f"Deltas.edges takes {', '.join(EDGES)}; '{edges}' came.")
    if stack not in STACKS:
        raise SettingError(f"Deltas.stack takes {', '.join(STACKS)}; '{stack}' came.")


def check_frames(n_frames: int, order: int, win_length: int, edges: str) -> None:
    """SettingError when "valid" would leave no frame of `n_frames`."""
    lost = order * (win_length - 1)
    if edges == "valid" and n_frames <= lost:
        raise SettingError(
            f"Deltas.edges 'valid' takes more than {lost} frames, since it loses that many; {n_frames} came. "
            "Take 'padded' or lengthen task.window_s."
        )
