"""Learning rates as pure functions of the epoch, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math

from ..errors import SettingError


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
