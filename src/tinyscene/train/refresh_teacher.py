"""RefreshTeacher: a network that teaches itself gets a better teacher as it gets better."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from .distillation import SelfTeacher
from .module import SceneModule


class RefreshTeacher(Checkpoint):
    """The teacher takes the student's weights after each epoch whose held-out clips go better than any before.

    A Checkpoint, because lightning calls those after the module's own end of epoch. Its state lies in the checkpoint.
    """

    def __init__(self, teacher: SelfTeacher):
        self.teacher, self.best = teacher, 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "teacher": self.teacher.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.teacher.load_state_dict(state_dict["teacher"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SceneModule)
        if not self.best:  # of the weights that both begin with
            self.best = pl_module.validated().get("validation_accuracy", 0.0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SceneModule)
        accuracy = pl_module.row.get("validation_accuracy", 0.0)
        if accuracy > self.best:
            self.best = accuracy
            self.teacher.refresh(pl_module.network)
