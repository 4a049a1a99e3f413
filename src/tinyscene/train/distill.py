"""Distill: a training stage that learns from a teacher's logits beside the labels."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..errors import within
from .distillation import Distillation
from .fit import Fit


class Distill(Fit):
    """Trains towards labels and a teacher's softened answers together (Hinton et al. 2015).

    The teacher's logits lie in the run as teacher.csv, one row a training clip; `tinyscene train --teacher` puts them
    there, from another run or from a file.

    Args:
        temperature: softens both answers, above 0.
        weight: of the teacher's word, 0..1; that of the labels is 1 - weight.
        others: as of Fit.
    """

    def __init__(self, *, temperature: float, weight: float, name: str = "distil", **fit: Any):
        within(f"{name}.weight", weight, 0, 1)
        self.temperature, self.weight, self.taught = temperature, weight, weight > 0
        super().__init__(name=name, **fit)

    def objective(self, membership: Tensor | None) -> nn.Module:
        if not self.taught:
            return super().objective(membership)
        return Distillation(super().objective(membership), self.temperature, self.weight)
