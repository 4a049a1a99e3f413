"""The one LightningModule: batch -> augmentations -> features -> losses -> step. Stages give it parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from ..augment import augmented, hidden_augmentation
from ..batch import Batch
from ..errors import TinysceneError
from ..spec import Spec
from .distillation import SelfTeacher
from .job import Job, predict
from .schedules import Schedule

Gradients = Callable[[Sequence[Tensor], Sequence[nn.Parameter]], None]


class SceneModule(pl.LightningModule):
    """Trains `network` (features -> logits) on the crops of a Job.

    Each step starts all chance anew from (seed, epoch, step): a run that was killed and resumed takes the same steps as
    one that was not.
    """

    def __init__(
        self,
        network: nn.Module,
        job: Job,
        objective: nn.Module,
        gradients: Gradients,
        optimizer: Spec,
        schedule: Schedule,
        epochs: int,
        teacher: SelfTeacher | None = None,
    ):
        super().__init__()
        self.automatic_optimization = False  # the gradients of several tasks are made by a part of their own
        self.network, self.objective, self.front_end = network, objective, job.front_end
        self.job, self.gradients, self.optimizer_spec = job, gradients, optimizer
        self.schedule, self.epochs, self.teacher = schedule, epochs, teacher
        self.row: dict[str, Any] = {}  # the journal's line of the last whole epoch
        self._loss, self._right, self._seen = 0.0, 0.0, 0
        self._logits: Callable[[Tensor], Tensor] = network.__call__
        if job.machine.compiled:
            torch.compiler.reset()  # else the graph of a stage before is taken, without this one's hooks
            self._logits = torch.compile(network, dynamic=False).__call__  # no submodule: the weights are saved once

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer_spec.build(params=self.network.parameters())

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        tensors = {key: value.to(device) for key, value in vars(batch).items() if isinstance(value, Tensor)}
        return replace(batch, **tensors)

    def on_train_epoch_start(self) -> None:
        epoch = self.current_epoch
        base = self.optimizer_spec.fields["lr"]
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.schedule.lr(epoch, self.epochs, base)
        self._loss, self._right, self._seen = 0.0, 0.0, 0

    def training_step(self, batch: Batch, index: int) -> None:
        chance = np.random.SeedSequence([self.job.seed, self.current_epoch, index, self.global_rank])
        rng = np.random.default_rng(chance)
        torch.manual_seed(int(chance.generate_state(1)[0]))  # dropout; the loader has drawn from torch's stream too
        with torch.no_grad():
            batch = self.features(self._taught(batch), rng)
        with hidden_augmentation(self.network, self.job.augment["hidden"], batch, rng):
            logits = self._logits(batch.x.contiguous(memory_format=torch.channels_last)).float()
        losses = self.objective(logits, batch)
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        optimizer.zero_grad()
        self.gradients(losses, list(self.network.parameters()))
        optimizer.step()
        n_classes = batch.target.shape[1]
        self._loss += float(sum(loss.detach() for loss in losses))
        self._right += float((logits[:, :n_classes].argmax(1) == batch.target.argmax(1)).sum())
        self._seen += len(logits)

    def _taught(self, batch: Batch) -> Batch:
        """With what the teacher says of the views."""
        if self.teacher is None or batch.views is None:
            return batch
        seen = batch.views.flatten(0, 1)
        maps = self.front_end.finish(self.front_end.bands(seen) if seen.dim() == 2 else seen)
        said = self.teacher.teach(maps.unflatten(0, batch.views.shape[:2]), batch.target.shape[1])
        return replace(batch, teacher=said, views=None)

    def features(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The way of the data, from what the crops are to what the network takes."""
        augment, front_end = self.job.augment, self.front_end
        if augment["spectrum"]:
            batch = augmented(replace(batch, x=front_end.spectrum(batch.x)), augment["spectrum"], rng)
            batch = replace(batch, x=front_end.spectral.bands(batch.x))  # type: ignore[operator]
        elif batch.x.dim() == 2:
            batch = replace(batch, x=front_end.bands(batch.x))
        batch = augmented(batch, augment["bands"], rng)
        return augmented(replace(batch, x=front_end.finish(batch.x)), augment["features"], rng)

    @property
    def running(self) -> tuple[float, float]:
        """Loss and accuracy of the epoch so far, on augmented clips against the class that weighs most in the mix."""
        return self._loss / max(1, self._seen), self._right / max(1, self._seen)

    def on_train_epoch_end(self) -> None:
        loss, accuracy = self.running
        if not np.isfinite(loss):
            raise TinysceneError(
                f"the loss of epoch {self.current_epoch + 1} is {loss}: training has diverged. "
                "Lower the learning rate of this stage (--set recipe.STAGE.optimizer.lr=...) and start anew."
            )
        lr = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.row = {"epoch": self.current_epoch, "lr": lr, "loss": loss, "accuracy": accuracy}
        self.row |= self.validated()
        if self.trainer.loggers:
            self.log_dict({key: float(value) for key, value in self.row.items() if key != "epoch"})

    def validated(self) -> dict[str, float]:
        """Accuracy and log loss on the clips that are held out of training; nothing where none are."""
        rows = self.job.validation
        if not len(rows):
            return {}
        self.network.eval()
        decide = self.job.decide.to(self.device)
        probabilities = predict(self.network, self.front_end.finish, decide, self.job.windows, rows)
        target = self.job.crops.dataset.target[rows]
        self.network.train()
        chosen = np.clip(probabilities[np.arange(len(rows)), target], 1e-15, 1.0)
        return {
            "validation_accuracy": float((probabilities.argmax(1) == target).mean()),
            "validation_log_loss": float(-np.log(chosen).mean()),
        }
