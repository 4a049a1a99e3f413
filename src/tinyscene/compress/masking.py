"""Weights that are held at zero while a network trains: which ones, and the callbacks that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor, nn

from ..train.keeper import Keeper
from ..train.module import SceneModule

if TYPE_CHECKING:
    from .prune import Prune


def prunable(network: nn.Module) -> dict[str, nn.Parameter]:
    """The weights of convolutions and linear layers by their names, one that layers share once."""
    found: dict[str, nn.Parameter] = {}
    for name, module in network.named_modules():
        weight = module._parameters.get("weight")
        if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)) and weight is not None:
            found.setdefault(f"{name}.weight".lstrip("."), weight)
    return {name: p for name, p in network.named_parameters() if name in found}


def smallest(weights: Mapping[str, Tensor], share: float, scope: str) -> dict[str, Tensor]:
    """Masks of the weights' shapes, True at the `share` of smallest magnitude in each layer, or in all ("global").

    So many that round(share x weights), half up, are True; among equals those that come first. The largest of a layer
    is never taken: nothing would pass.
    """
    sizes = {name: weight.detach().abs().flatten().float() for name, weight in weights.items()}
    for size in sizes.values():
        size[size.argmax()] = torch.inf
    if scope == "global" and sizes:
        taken = _smallest(torch.cat(list(sizes.values())), share, len(sizes))
        parts = taken.split([len(size) for size in sizes.values()])
    else:
        parts = [_smallest(size, share, 1) for size in sizes.values()]
    return {name: part.reshape(weights[name].shape) for name, part in zip(sizes, parts, strict=True)}


def _smallest(size: Tensor, share: float, n_kept: int) -> Tensor:
    n = min(int(share * len(size) + 0.5), len(size) - n_kept)
    taken = torch.zeros_like(size, dtype=torch.bool)
    taken[torch.argsort(size, stable=True)[:n]] = True
    return taken


class Masking(Checkpoint):
    """Sets the smallest weights to 0 by the schedule of a Prune, and after each step those that are masked already.

    A Checkpoint, because lightning calls those after the module's own end of epoch: the journal's line tells the share.

    It has no state: zeros are the smallest there are, so the masks of a resumed run follow from its weights. They are
    derived anew in each epoch, which makes a run that was killed and one that was not the same.
    """

    def __init__(self, stage: Prune):
        self.stage = stage
        self._share, self._masks = 0.0, dict[str, Tensor]()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SceneModule)
        self._masks = {}
        self._hold(pl_module.network, *self._steps(trainer, 0))
        if self._share < self.stage.sparsity:
            for callback in trainer.checkpoint_callbacks:
                if isinstance(callback, Keeper):
                    callback.best = []  # the best so far has too few zeros

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, SceneModule)
        self._hold(pl_module.network, *self._steps(trainer, batch_idx + 1))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SceneModule)
        pl_module.row["sparsity"] = self._share

    def _steps(self, trainer: pl.Trainer, in_epoch: int) -> tuple[int, int]:
        """Steps done and steps in all."""
        per_epoch = int(trainer.num_training_batches)
        return trainer.current_epoch * per_epoch + in_epoch, self.stage.epochs * per_epoch

    def _hold(self, network: nn.Module, step: int, steps: int) -> None:
        weights, share = prunable(network), self.stage.sparsity_at(step, steps)
        if share != self._share or not self._masks:
            self._share, self._masks = share, smallest(weights, share, self.stage.scope)
        _clear(weights, self._masks)


class KeepZeros(pl.Callback):
    """Holds what is 0 in a pruned network, its int8 graph for one, while it trains on.

    Of tables of two and more axes; a layer that is all 0 was not pruned, and learns.
    """

    def __init__(self, network: nn.Module):
        zeros = {name: p.detach() == 0 for name, p in network.named_parameters() if p.dim() > 1}
        self._masks = {name: mask for name, mask in zeros.items() if mask.any() and not mask.all()}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._masks = {name: mask.to(pl_module.device) for name, mask in self._masks.items()}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, SceneModule)
        _clear(dict(pl_module.network.named_parameters()), self._masks)


@torch.no_grad()
def _clear(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    for name, mask in masks.items():
        weights[name].masked_fill_(mask, 0.0)
