"""Callback of quantisation-aware training: from an epoch on, observers stop moving the scales."""

from __future__ import annotations

import lightning.pytorch as pl

from .quantized import freeze_observers


class FreezeScales(pl.Callback):
    """Freezes at the start of `epoch` (0-based) and of every later one, so that a resumed run does too."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch >= self.epoch:
            freeze_observers(pl_module)
