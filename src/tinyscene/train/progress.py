"""A progress bar over the whole stage: epoch, loss, accuracy, time left."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .module import SceneModule


class StageProgress(pl.Callback):
    """One bar for all epochs of a stage, on stderr; without a terminal it stays silent, the journal tells."""

    def __init__(self, stage: str, epochs: int):
        self.epochs = epochs
        self._progress = Progress(
            TextColumn(f"[bold]{stage}[/bold]"),
            BarColumn(bar_width=24),
            TextColumn("epoch {task.fields[epoch]}/" + str(epochs) + "  {task.fields[told]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        steps = int(trainer.num_training_batches)
        self._task = self._progress.add_task(
            "", total=self.epochs * steps, completed=trainer.current_epoch * steps, epoch=trainer.current_epoch, told=""
        )
        if self._progress.console.is_terminal:
            self._progress.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, SceneModule)
        if self._task is None:
            return
        loss, accuracy = pl_module.running
        told = f"loss {loss:.3f}  accuracy {accuracy:.3f}"
        if "validation_accuracy" in pl_module.row:
            told += f"  validation {pl_module.row['validation_accuracy']:.3f}"
        self._progress.update(self._task, advance=1, epoch=trainer.current_epoch + 1, told=told)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self._progress.live.is_started:  # without a terminal rich would print an empty line
            self._progress.stop()
