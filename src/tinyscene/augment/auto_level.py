"""Auto level (report 000, section 2.3.2): the contrast of a spectrogram stretched, as image editors do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import SettingError, within


@dataclass(frozen=True)
class AutoLevelDraw:
    """Which clips are stretched, (batch,) bool."""

    chosen: np.ndarray


class AutoLevel:
    """(batch, channel, band, frame): each channel's map stretched so that its cut ends reach its full range.

    The report gives no numbers. The `cut` share of cells at either end is set to the map's least and greatest value,
    and what lies between is stretched linearly to that range. Done twice it is done once.

    Args:
        cut: share of the cells that is cut at each end, 0 up to below 0.5, in whole cells, rounded down.
        p: share of the clips that are stretched, 0..1.
    """

    places = ("features", "bands")

    def __init__(self, cut: float = 0.005, p: float = 0.5):
        if not 0 <= cut < 0.5:
            raise SettingError(f"AutoLevel.cut takes 0 up to below 0.5; {cut} came.")
        within("AutoLevel.p", p, 0, 1)
        self.cut, self.p = cut, p

    def draw(self, batch: Batch, rng: np.random.Generator) -> AutoLevelDraw:
        return AutoLevelDraw(rng.random(len(batch.x)) < self.p)

    def apply(self, batch: Batch, params: AutoLevelDraw) -> Batch:
        rows = torch.as_tensor(np.flatnonzero(params.chosen), device=batch.x.device)
        if not len(rows):
            return batch
        maps = batch.x[rows].flatten(2)
        # Cells of the ranks next to the cut, not interpolated between: then a second time cuts where the first one did.
        rank = int(self.cut * maps.shape[-1])
        bottom, top = maps.topk(rank + 1, largest=False).values, maps.topk(rank + 1).values
        least, low, greatest, high = bottom[..., :1], bottom[..., -1:], top[..., :1], top[..., -1:]
        width = high - low
        share = ((maps - low) / torch.where(width > 0, width, 1)).clamp(0, 1)
        # The ends by name, not by arithmetic: least + 1 * (greatest - least) may miss greatest by a rounding.
        stretched = torch.where(share >= 1, greatest, least + share * (greatest - least))
        stretched = torch.where((width > 0) & ((least < low) | (greatest > high)), stretched, maps)
        return replace(batch, x=batch.x.index_copy(0, rows, stretched.view(len(rows), *batch.x.shape[1:])))
