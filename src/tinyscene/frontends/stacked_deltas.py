"""Finishing step of reports 000 and 002: deltas and delta-deltas beside the map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..dsp import deltas
from ..runtime.stacked_deltas import STACKS, check_deltas, check_frames


class Deltas(nn.Module):
    """(batch, channel, band, frame) -> the map, its delta and, up to `order`, the delta's delta, stacked in that order.

    Report 000, section 2.1 (the family's code: no padding, so 44 frames become 36), report 002, section 2 (torchaudio's
    ComputeDeltas, both ways of stacking).

    Args:
        order: 1 for the delta alone, 2 for the delta-delta too.
        win_length: frames of the regression, odd, 3 or more.
        edges: "padded" repeats the end frames and keeps all frames; "valid" keeps the frames that have all their
            neighbours, order * (win_length - 1) fewer, of the map and of each delta the same ones.
        stack: the axis they share: "channel" gives (1 + order) * channel, "band" gives (1 + order) * band.

    Raises:
        SettingError: naming the field that is out of range, or a map too short for "valid".
    """

    def __init__(self, order: int = 2, win_length: int = 5, edges: str = "padded", stack: str = "channel"):
        super().__init__()
        check_deltas(order, win_length, edges, stack)
        self.order, self.win_length, self.edges, self.stack = order, win_length, edges, stack

    def forward(self, bands: Tensor) -> Tensor:
        check_frames(bands.shape[-1], self.order, self.win_length, self.edges)
        maps = [bands]
        for _ in range(self.order):
            maps.append(deltas(maps[-1], self.win_length, self.edges))
        n_frames = maps[-1].shape[-1]
        cut = [(one.shape[-1] - n_frames) // 2 for one in maps]  # at each end, so that frames fall on frames
        aligned = [one[..., c : c + n_frames] for c, one in zip(cut, maps, strict=True)]
        return torch.cat(aligned, dim=STACKS[self.stack])
