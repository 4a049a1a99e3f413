"""After each epoch: the best weights, the journal's line, the checkpoint to resume from, in this order."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from .checkpoints import save
from .journal import JOURNAL, append_row
from .module import SceneModule

CHECKPOINT = "last.ckpt"
BEST = "best.pt"


class Keeper(Checkpoint):
    """Keeps a stage's folder such that a kill at any moment loses at most the epoch in work.

    A Checkpoint, because lightning calls those after the module's own end of epoch.

    Args:
        folder: the stage's folder.
        select: "best" keeps the weights of the highest validation accuracy (lower log loss breaks ties; report 001,
            section 4), "last" those of the last epoch.
    """

    def __init__(self, folder: Path, select: str):
        self.folder, self.select = folder, select
        self.best: list[float] = []
        self._began = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SceneModule)
        if not trainer.is_global_zero:
            return
        row = pl_module.row | {"seconds": round(time.perf_counter() - self._began, 3)}
        if self.select == "best" and "validation_accuracy" in row:
            score = [row["validation_accuracy"], -row["validation_log_loss"]]
            if not self.best or score > self.best:
                self.best = score
                save(pl_module.network.state_dict(), self.folder / BEST)
        append_row(self.folder / JOURNAL, row)
        trainer.save_checkpoint(self.folder / CHECKPOINT)
