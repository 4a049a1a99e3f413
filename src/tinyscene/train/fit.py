"""Fit: a training stage of a recipe. Light to import: a system file names it, the loop is loaded when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from ..errors import SettingError
from ..spec import Spec
from .schedules import Schedule

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from .job import Job


class Fit:
    """Trains the network from its initial weights, in floating point.

    Args:
        epochs, batch_size: length of the stage.
        optimizer: Spec of a torch optimiser; its lr is the schedule's highest.
        schedule: learning rate by epoch (train/schedules.py).
        validation_share: part of the training clips, by recording, that is held out to choose the weights; 0..1.
        select: "best" validation accuracy, or the "last" epoch (then validation_share may be 0).
        pcgrad: project conflicting gradients of the tasks, else sum them.
        reduction: the loss of a batch is the "sum" or the "mean" of its clips': a rate belongs to one of them.
        name: the stage's name and folder.
    """

    compresses = False

    def __init__(
        self,
        epochs: int,
        batch_size: int,
        optimizer: Spec,
        schedule: Schedule,
        validation_share: float = 0.1,
        select: str = "best",
        pcgrad: bool = True,
        reduction: str = "sum",
        name: str = "fit",
    ):
        if epochs < 1 or batch_size < 2:
            raise SettingError(
                f"{name}.epochs takes 1 or more and {name}.batch_size 2 or more; {epochs} and {batch_size} came."
            )
        if select not in ("best", "last"):
            raise SettingError(f"{name}.select takes 'best' or 'last'; '{select}' came.")
        if reduction not in ("sum", "mean"):
            raise SettingError(f"{name}.reduction takes 'sum' or 'mean'; '{reduction}' came.")
        if not 0 <= validation_share < 1 or (select == "best" and validation_share == 0):
            raise SettingError(
                f"{name}.validation_share takes 0 up to below 1, above 0 with select='best'; {validation_share} came."
            )
        self.epochs, self.batch_size, self.name = epochs, batch_size, name
        self.optimizer, self.schedule = optimizer, schedule
        self.validation_share, self.select = validation_share, select
        self.pcgrad, self.reduction = pcgrad, reduction

    def run(self, network: nn.Module, job: Job, folder: Path, callbacks: Sequence[pl.Callback] = ()) -> nn.Module:
        """Train `network` in `folder`, or continue where a killed run stopped; the chosen weights are in it after."""
        from .loop import train

        return train(self, network, job, folder, callbacks)
