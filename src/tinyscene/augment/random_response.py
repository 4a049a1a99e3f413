"""Random responses: clips as microphones that nobody measured would have recorded them, on power spectra."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import within
from .clipwise import chosen_clips, known_rate
from .device_response import as_loud


@dataclass(frozen=True)
class RandomResponseDraw:
    """Gain of each clip at each node, (batch, node) in dB; a row of zeros leaves a clip alone."""

    gain_db: np.ndarray


class RandomResponse:
    """Power spectra (batch, frequency, frame) times a curve of its own for each clip; a clip's level is kept.

    The curve is linear in dB between nodes an equal number of octaves apart, from f_min to half the rate, and level
    below f_min. It needs no measured responses (DeviceResponse does).

    Args:
        depth_db: of each node, uniform on -depth_db..depth_db, 0 to 40.
        octaves: from node to node, 0.1 to 8.
        f_min: of the first node, in Hz.
        p: probability that a clip is changed, 0 to 1.
    """

    places = ("spectrum",)

    def __init__(self, depth_db: float = 8.0, octaves: float = 1.0, f_min: float = 40.0, p: float = 0.6):
        within("RandomResponse.depth_db", depth_db, 0, 40)
        within("RandomResponse.octaves", octaves, 0.1, 8)
        within("RandomResponse.f_min", f_min, 1, 20_000)
        within("RandomResponse.p", p, 0, 1)
        self.depth_db, self.octaves, self.f_min, self.p = depth_db, octaves, f_min, p

    def draw(self, batch: Batch, rng: np.random.Generator) -> RandomResponseDraw:
        highest = math.log2(max(known_rate(batch, "RandomResponse") / 2 / self.f_min, 1.0))
        n_nodes = 1 + math.ceil(highest / self.octaves)
        gain_db = rng.uniform(-self.depth_db, self.depth_db, (len(batch.x), n_nodes))
        return RandomResponseDraw(np.where(chosen_clips(batch, self.p, rng)[:, None], gain_db, 0.0))

    def apply(self, batch: Batch, params: RandomResponseDraw) -> Batch:
        n_bins = batch.x.shape[1]
        hz = np.linspace(0, known_rate(batch, "RandomResponse") / 2, n_bins)
        at = np.log2(np.maximum(hz, self.f_min) / self.f_min) / self.octaves
        curves = np.stack([np.interp(at, np.arange(len(row)), row) for row in params.gain_db])
        return replace(batch, x=as_loud(batch.x, torch.from_numpy(10 ** (curves / 10)).to(batch.x)))
