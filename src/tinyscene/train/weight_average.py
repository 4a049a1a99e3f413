"""WeightAverage: the mean of a network's weights over the last epochs, and batch norms that suit it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from ..errors import within
from .module import SceneModule


class WeightAverage(pl.Callback):
    """Keeps the mean of the weights at the end of the last `n_epochs` of `epochs` (report 002, section 6.3).

    Its state lies in the checkpoint, so that a stage that was killed ends with the same mean.
    """

    def __init__(self, n_epochs: int, epochs: int):
        within("WeightAverage.n_epochs", n_epochs, 1, epochs)
        self.first = epochs - n_epochs
        self._mean: AveragedModel | None = None
        self._state: dict[str, Tensor] | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self._state if self._mean is None else self._mean.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._mean, self._state = None, state_dict["mean"]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SceneModule)
        if trainer.current_epoch >= self.first:
            self._of(pl_module.network).update_parameters(pl_module.network)

    def averaged(self, network: nn.Module) -> nn.Module:
        """The mean, in the form of `network`; its batch norms have the statistics of one of the epochs."""
        return self._of(network).module

    def _of(self, network: nn.Module) -> AveragedModel:
        if self._mean is None:
            self._mean = AveragedModel(network)
            if self._state is not None:
                self._mean.load_state_dict(self._state)
        return self._mean


def refresh_batch_norm(network: nn.Module, batches: Iterable[Tensor], seed: int = 0) -> None:
    """Mean and variance of every batch norm computed anew, as the plain mean over `batches` of features.

    The network runs as in training, dropout included, which draws from `seed`; its mode and momenta are kept. Without
    batch norms nothing is done, and `batches` are not asked for.
    """
    torch.manual_seed(seed)  # a stage that was killed here ends with the same statistics
    update_bn(batches, network)
