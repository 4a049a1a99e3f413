"""Learning rates as pure functions of the epoch, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math
from typing import Protocol

from ..errors import SettingError, within


class Schedule(Protocol):
    """What every schedule offers."""

    def lr(self, epoch: int, epochs: int, base: float) -> float: ...


class CosineWarmup:
    """Linear warm-up, then half a cosine over the length of the run (timm's CosineLRScheduler, warm-up prefixed).

    Args:
        warmup_epochs: epochs before the cosine starts; at most the run's.
        warmup_lr: rate of epoch 0, below the optimiser's own.
        lr_min: rate at the cosine's end.
    """

    def __init__(self, warmup_epochs: int = 0, warmup_lr: float = 0.0, lr_min: float = 0.0):
        if warmup_epochs < 0:
            raise SettingError(f"CosineWarmup.warmup_epochs takes 0 or more; {warmup_epochs} came.")
        self.warmup_epochs, self.warmup_lr, self.lr_min = warmup_epochs, warmup_lr, lr_min

    def lr(self, epoch: int, epochs: int, base: float) -> float:
        """Learning rate of `epoch` (0-based) of `epochs`, for an optimiser whose own rate is `base`."""
        if epoch < self.warmup_epochs:
            return self.warmup_lr + epoch * (base - self.warmup_lr) / self.warmup_epochs
        progress = min(1.0, (epoch - self.warmup_epochs) / epochs)
        return self.lr_min + 0.5 * (base - self.lr_min) * (1 + math.cos(math.pi * progress))


class CosineRestarts:
    """Half a cosine after another, each longer than the one before (SGDR, Loshchilov and Hutter 2017).

    Report 000, section 3.1, prints the restarts 11, 31, 71, 151 and 311: cycles of 10, 20, 40, 80 and 160 epochs.

    Args:
        first_epochs: length of the first cycle. factor: how much longer each next one is.
        lr_min: rate at each cycle's end.
    """

    def __init__(self, first_epochs: int = 10, factor: int = 2, lr_min: float = 0.0):
        within("CosineRestarts.first_epochs", first_epochs, 1)
        within("CosineRestarts.factor", factor, 1)
        self.first_epochs, self.factor, self.lr_min = first_epochs, factor, lr_min

    def lr(self, epoch: int, epochs: int, base: float) -> float:
        """Learning rate of `epoch` (0-based), for an optimiser whose own rate is `base`."""
        start, length = 0, self.first_epochs
        while epoch >= start + length:
            start, length = start + length, length * self.factor
        return self.lr_min + 0.5 * (base - self.lr_min) * (1 + math.cos(math.pi * (epoch - start) / length))
