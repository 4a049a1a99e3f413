"""Random gains on log bands: clips louder or quieter, through microphones of many curves, at the cost of a sum."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import SettingError, within

_DB = {"log10": 0.1, "ln": math.log(10) / 10, "db": 1.0}  # one dB of power in the units of each logarithm


@dataclass(frozen=True)
class BandGainsDraw:
    """Gain of each band of each clip in dB of power, (batch, node): the level of a curve at its nodes."""

    curve_db: np.ndarray


class BandGains:
    """Un-normalised log bands plus a gain a clip and a smooth curve over the bands, the same in all its frames.

    The curve is linear between `nodes` evenly spaced bands, as FilterAugment's "linear" type (Nam et al. 2022) has it
    with random places. What falls below the floor of the logarithm is set to it, so that digital silence stays silence.

    Args:
        gain_db: of the whole clip, uniform on -gain_db..gain_db, 0 to 60.
        curve_db: of each node beside it, uniform on -curve_db..curve_db, 0 to 60.
        nodes: of the curve, 2 or more.
        log, floor: of the front end whose bands come (LogMel.log, LogMel.floor).
        p: share of the clips that are changed, 0..1.
    """

    places = ("bands",)

    def __init__(
        self,
        gain_db: float = 10.0,
        curve_db: float = 6.0,
        nodes: int = 5,
        log: str = "log10",
        floor: float = 1e-10,
        p: float = 1.0,
    ):
        within("BandGains.gain_db", gain_db, 0, 60)
        within("BandGains.curve_db", curve_db, 0, 60)
        within("BandGains.nodes", nodes, 2)
        within("BandGains.p", p, 0, 1)
        if log not in _DB:
            raise SettingError(f"BandGains.log takes {', '.join(_DB)}; '{log}' came.")
        if not floor > 0:
            raise SettingError(f"BandGains.floor takes a power above 0; {floor} came.")
        self.gain_db, self.curve_db, self.nodes, self.p = gain_db, curve_db, nodes, p
        self.unit, self.lowest = _DB[log], 10 * math.log10(floor) * _DB[log]

    def draw(self, batch: Batch, rng: np.random.Generator) -> BandGainsDraw:
        n = len(batch.x)
        curve = rng.uniform(-self.curve_db, self.curve_db, (n, self.nodes))
        curve += rng.uniform(-self.gain_db, self.gain_db, (n, 1))
        curve[rng.random(n) >= self.p] = 0.0
        return BandGainsDraw(curve)

    def apply(self, batch: Batch, params: BandGainsDraw) -> Batch:
        x = batch.x
        at = np.linspace(0, self.nodes - 1, x.shape[2])
        curves = np.stack([np.interp(at, np.arange(self.nodes), curve) for curve in params.curve_db])
        gains = torch.as_tensor(curves * self.unit, dtype=x.dtype, device=x.device)
        return replace(batch, x=(x + gains[:, None, :, None]).clamp(min=self.lowest))
