"""Fit: a training stage of a recipe. Light to import: a system file names it, the loop is loaded when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..errors import SettingError, within
from ..spec import Spec
from .objectives import SceneAndGroupLoss
from .schedules import Schedule
from .stage import Stage

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from .distillation import SelfTeacher
    from .job import Job

SELECT = ("best", "last", "mean")


class Fit(Stage):
    """Trains the network on, in floating point.

    Args:
        epochs, batch_size: length of the stage.
        optimizer: Spec of a torch optimiser; its lr is the schedule's highest.
        schedule: learning rate by epoch (train/schedules.py).
        loss: Spec of what is minimised (train/objectives.py).
        validation_share: part of the training clips, by recording, that is held out to choose the weights; 0..1.
        select: the weights of the "best" validation accuracy, of the "last" epoch, or their "mean" over the last
            `mean_epochs`, with the statistics of batch norms computed anew (then validation_share may be 0).
        pcgrad: project conflicting gradients of the tasks, else sum them.
        teacher_weight, teacher_temperature: of a teacher's word beside the labels, 0..1, and how soft it is; with a
            weight, the run holds what a teacher says of each training clip (train/distillation.py).
        after: name of the stage whose weights this one starts from; None: the last training stage before it.
        name: the stage's name and folder.
    """

    def __init__(
        self,
        epochs: int,
        batch_size: int,
        optimizer: Spec,
        schedule: Schedule,
        loss: Spec = Spec(SceneAndGroupLoss),  # noqa: B008  a Spec is frozen
        validation_share: float = 0.1,
        select: str = "best",
        mean_epochs: int = 0,
        pcgrad: bool = True,
        teacher_weight: float = 0.0,
        teacher_temperature: float = 2.0,
        after: str | None = None,
        name: str = "fit",
    ):
        if epochs < 1 or batch_size < 2:
            raise SettingError(
                f"{name}.epochs takes 1 or more and {name}.batch_size 2 or more; {epochs} and {batch_size} came."
            )
        if select not in SELECT:
            raise SettingError(f"{name}.select takes {', '.join(SELECT)}; '{select}' came.")
        if (mean_epochs > 0) != (select == "mean") or mean_epochs > epochs:
            raise SettingError(
                f"{name}.mean_epochs takes 1 to {epochs}, the stage's epochs, with select='mean', and 0 without; "
                f"{mean_epochs} came with select='{select}'."
            )
        if not 0 <= validation_share < 1 or (select == "best" and validation_share == 0):
            raise SettingError(
                f"{name}.validation_share takes 0 up to below 1, above 0 with select='best'; {validation_share} came."
            )
        super().__init__(name, after)
        self.epochs, self.batch_size = epochs, batch_size
        self.optimizer, self.schedule, self.loss = optimizer, schedule, loss
        self.validation_share, self.select, self.mean_epochs = validation_share, select, mean_epochs
        self.pcgrad = pcgrad
        within(f"{name}.teacher_weight", teacher_weight, 0, 1)
        self.teacher_weight, self.teacher_temperature = teacher_weight, teacher_temperature
        self.taught = teacher_weight > 0
        self.objective(None)  # a loss out of range shows at once

    def objective(self, membership: Tensor | None) -> nn.Module:
        """What is minimised: called as (logits, batch), it gives one loss a task."""
        of_labels = self.loss.build(membership=membership)
        if not self.taught:
            return of_labels
        from .distillation import Distillation

        return Distillation(of_labels, self.teacher_temperature, self.teacher_weight)

    def teacher(self, network: nn.Module, job: Job) -> SelfTeacher | None:
        """Who looks at the `views` of each batch and says what the student should."""
        return None

    def run(self, network: nn.Module, job: Job, folder: Path, callbacks: Sequence[pl.Callback] = ()) -> nn.Module:
        """Train `network` in `folder`, or continue where a killed run stopped; the chosen weights are in it after."""
        from .loop import train

        return train(self, network, job, folder, callbacks)
