"""Freq-MixStyle (Kim et al. 2022, Schmid et al. 2022): bands exchange their statistics, which tell the device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import SettingError, within

_VARIANCE_FLOOR = 1e-6


@dataclass(frozen=True)
class FreqMixStyleDraw:
    """Clip i keeps the share own[i] of its statistics and takes the rest from clip partner[i]; None does nothing."""

    own: np.ndarray | None
    partner: np.ndarray


class FreqMixStyle:
    """(batch, channel, band, frame): each band's mean and deviation, over channels and frames, mixed with others.

    x becomes (x - mean) / deviation * mixed deviation + mixed mean. Targets stay.

    Args:
        alpha: own share ~ Beta(alpha, alpha), above 0, one draw a clip.
        p: share of the batches that are mixed, 0..1; a batch is mixed whole, as published.
    """

    places = ("features", "bands")

    def __init__(self, alpha: float = 0.3, p: float = 0.4):
        if not alpha > 0:
            raise SettingError(f"FreqMixStyle.alpha takes a number above 0; {alpha} came.")
        within("FreqMixStyle.p", p, 0, 1)
        self.alpha, self.p = alpha, p

    def draw(self, batch: Batch, rng: np.random.Generator) -> FreqMixStyleDraw:
        n = len(batch.x)
        chosen, own, partner = rng.random() < self.p, rng.beta(self.alpha, self.alpha, n), rng.permutation(n)
        return FreqMixStyleDraw(own if chosen else None, partner)

    def apply(self, batch: Batch, params: FreqMixStyleDraw) -> Batch:
        if params.own is None:
            return batch
        x = batch.x
        own = torch.as_tensor(params.own, dtype=x.dtype, device=x.device)[:, None, None, None]
        partner = torch.as_tensor(params.partner, device=x.device)
        mean = x.mean((1, 3), keepdim=True)
        variance = (x - mean).square().mean((1, 3), keepdim=True)
        deviation = (variance + _VARIANCE_FLOOR).sqrt()
        mixed_mean = own * mean + (1 - own) * mean[partner]
        mixed_deviation = own * deviation + (1 - own) * deviation[partner]
        return replace(batch, x=(x - mean) / deviation * mixed_deviation + mixed_mean)
