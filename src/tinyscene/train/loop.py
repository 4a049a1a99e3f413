"""The one loop that every stage which trains goes through."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.trainer.states import TrainerStatus
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..batch import Batch
from ..data import training_loader
from ..data.clips import EpochSampler
from ..errors import missing_extra
from . import checkpoints
from .distillation import SelfDistillation
from .gradients import project_conflicting, summed
from .job import Job
from .journal import JOURNAL
from .keeper import BEST, CHECKPOINT, Keeper
from .machine import Machine, keep_memory
from .module import SceneModule
from .progress import StageProgress
from .refresh_teacher import RefreshTeacher
from .weight_average import WeightAverage, refresh_batch_norm

if TYPE_CHECKING:
    from .fit import Fit

WEIGHTS = "weights.pt"


def train(stage: Fit, network: nn.Module, job: Job, folder: Path, callbacks: Sequence[pl.Callback] = ()) -> nn.Module:
    """Train `network` as `stage` says; returns it on the CPU, in eval. `folder` gets weights, journal, checkpoint."""
    machine = job.machine.decided()
    folder.mkdir(parents=True, exist_ok=True)
    keep_memory()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    objective, teacher = stage.objective(job.membership), stage.teacher(network, job)
    if isinstance(objective, SelfDistillation):
        objective.watch(network, job.example)
    module = SceneModule(
        network,
        job,
        objective,
        project_conflicting if stage.pcgrad else summed,
        stage.optimizer,
        stage.schedule,
        stage.epochs,
        teacher,
    )
    checkpoint = folder / CHECKPOINT
    if not job.resume:
        for stale in (WEIGHTS, CHECKPOINT, BEST, JOURNAL):  # else an interrupted run would pass for a whole one
            (folder / stale).unlink(missing_ok=True)
    select = stage.select if len(job.validation) or stage.select != "best" else "last"
    keeper = Keeper(folder, select)
    mean = WeightAverage(stage.mean_epochs, stage.epochs) if select == "mean" else None
    if mean is not None:
        callbacks = [*callbacks, mean]
    if teacher is not None:
        callbacks = [*callbacks, RefreshTeacher(teacher)]
    loader = training_loader(job.crops, stage.batch_size)
    _fit(
        _trainer(job, machine, stage.epochs, [*callbacks, StageProgress(stage.name, stage.epochs), keeper], folder),
        module,
        loader,
        checkpoint if job.resume and checkpoint.is_file() else None,
    )
    if isinstance(objective, SelfDistillation) and objective.hidden is not None:
        objective.hidden.close()
    if select == "best":
        network.load_state_dict(checkpoints.load(folder / BEST))
    if mean is not None:
        network.load_state_dict(mean.averaged(network).state_dict())
        refresh_batch_norm(network, _features_once(module, loader, job.seed))
    network = network.to("cpu")
    checkpoints.save(network.state_dict(), folder / WEIGHTS)
    (folder / BEST).unlink(missing_ok=True)
    network.eval()  # a traced network's own eval() returns nothing
    return network


def _features_once(module: SceneModule, loader: DataLoader[Batch], seed: int) -> Iterator[Tensor]:
    """Augmented features of every training clip once, as a further epoch would show them."""
    device = module.device
    assert isinstance(loader.sampler, EpochSampler)
    loader.sampler.set_epoch(module.epochs)
    for index, batch in enumerate(loader):
        rng = np.random.default_rng([seed, module.epochs, index])
        with torch.no_grad():
            x = module.features(module.transfer_batch_to_device(batch, device, 0), rng).x
        yield x.contiguous(memory_format=torch.channels_last)


def _trainer(job: Job, machine: Machine, epochs: int, callbacks: list[pl.Callback], folder: Path) -> pl.Trainer:
    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.ERROR)
    logger = False
    if job.tensorboard:
        try:
            from lightning.pytorch.loggers import TensorBoardLogger

            logger = TensorBoardLogger(str(folder), name="", version="tensorboard")
        except ModuleNotFoundError:
            raise missing_extra("--tensorboard", "tensorboard") from None
    return pl.Trainer(
        accelerator=machine.accelerator,
        devices=1,
        precision=machine.precision,  # type: ignore[arg-type]
        max_epochs=epochs,
        callbacks=callbacks,
        plugins=[checkpoints.SafeCheckpointIO()],
        logger=logger,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=str(folder),
    )


def _fit(trainer: pl.Trainer, module: SceneModule, loader: object, checkpoint: Path | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:  # lightning turns Ctrl-C into an exit; ours is the caller's to word
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None
    if trainer.state.status is TrainerStatus.INTERRUPTED:
        raise KeyboardInterrupt
