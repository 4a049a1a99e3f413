"""SelfDistill: a training stage in which a network learns from what it was, seen on several crops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..errors import SettingError, within
from .distillation import SelfDistillation, SelfTeacher
from .fit import Fit

if TYPE_CHECKING:
    from .job import Job


class SelfDistill(Fit):
    """Teacher and student begin with the same weights; the teacher's soft labels are the mean over several crops.

    Minimised is the sum of cross-entropy, divergence from the soft labels and the cosine distance of the last hidden
    layers (report 002, section 4). The report's teacher takes the student's weights when the test accuracy is the best
    so far; here the accuracy on the held-out clips says so.

    Args:
        temperature: softens both answers, above 0.
        weights: of cross-entropy, divergence and cosine distance, each 0 or more.
        views: crops that the teacher looks at.
        views_of: they are of the "clip" itself, or of clips of its "class" in other recordings.
        others: as of Fit.
    """

    def __init__(
        self,
        *,
        temperature: float,
        weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
        views: int = 3,
        views_of: str = "clip",
        name: str = "distil",
        **fit: Any,
    ):
        within(f"{name}.views", views, 1)
        if fit.get("teacher_weight"):
            raise SettingError(
                f"{name} is its own teacher; a teacher_weight of {fit['teacher_weight']} came. Take Distill."
            )
        if views_of not in ("clip", "class"):
            raise SettingError(f"{name}.views_of takes 'clip' or 'class'; '{views_of}' came.")
        self.temperature, self.weights, self.views, self.views_of = temperature, weights, views, views_of
        super().__init__(name=name, **fit)

    def objective(self, membership: Tensor | None) -> SelfDistillation:
        return SelfDistillation(super().objective(membership), self.temperature, self.weights)

    def teacher(self, network: nn.Module, job: Job) -> SelfTeacher:
        return SelfTeacher(network, job.example, self.temperature)
