"""Mixup (Zhang et al. 2018), whole batch at first and half of it later (report 001, section 2.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..errors import SettingError


@dataclass(frozen=True)
class MixupDraw:
    """Clip i becomes own[i] of itself and 1 - own[i] of clip partner[i]."""

    own: np.ndarray
    partner: np.ndarray


class Mixup:
    """Each clip is mixed with another of its batch: features, targets and, where there is one, the teacher's logits.

    A mask of clean sound is left to its clip: a mixture has no such mask.

    Args:
        alpha: own share ~ Beta(alpha, alpha), above 0; 1 draws it evenly from 0 to 1.
        full_epochs: epochs in which the whole batch is mixed; afterwards only its first half is (Mixup Without
            Hesitation, reference 14 of report 001). None mixes the whole batch for ever.
        per_batch: one share for all clips of a batch, as the equation of report 000 (section 2.3.1) may also be read;
            else one a clip.
    """

    places = ("bands", "wave", "spectrum", "features")

    def __init__(self, alpha: float = 0.4, full_epochs: int | None = None, per_batch: bool = False):
        if not 0 < alpha < math.inf:
            raise SettingError(f"Mixup.alpha takes a number above 0; {alpha} came.")
        self.alpha, self.full_epochs, self.per_batch = alpha, full_epochs, per_batch

    def draw(self, batch: Batch, rng: np.random.Generator) -> MixupDraw:
        n = len(batch.x)
        own = np.full(n, rng.beta(self.alpha, self.alpha)) if self.per_batch else rng.beta(self.alpha, self.alpha, n)
        if self.full_epochs is not None and batch.epoch >= self.full_epochs:
            own[n // 2 :] = 1.0
        return MixupDraw(own, rng.permutation(n))

    def apply(self, batch: Batch, params: MixupDraw) -> Batch:
        own = torch.as_tensor(params.own, dtype=batch.x.dtype, device=batch.x.device)
        partner = torch.as_tensor(params.partner, device=batch.x.device)
        teacher = None if batch.teacher is None else _mixed(batch.teacher, own, partner)
        return replace(
            batch, x=_mixed(batch.x, own, partner), target=_mixed(batch.target, own, partner), teacher=teacher
        )


def _mixed(x: Tensor, own: Tensor, partner: Tensor) -> Tensor:
    own = own.to(x.dtype).view(-1, *[1] * (x.dim() - 1))
    return own * x + (1 - own) * x[partner]
