"""Distill: a training stage that learns from a teacher's logits beside the labels."""

from __future__ import annotations

from typing import Any

from ..errors import SettingError, within
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
        if taken := {"teacher_weight", "teacher_temperature"} & set(fit):
            raise SettingError(f"{name} takes weight and temperature of its teacher; {', '.join(sorted(taken))} came.")
        super().__init__(name=name, teacher_weight=weight, teacher_temperature=temperature, **fit)
