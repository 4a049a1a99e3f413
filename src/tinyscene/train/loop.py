"""The one loop that every stage which trains goes through."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl
import torch
from lightning.pytorch.trainer.states import TrainerStatus
from torch import nn

from ..data import training_loader
from ..errors import missing_extra
from . import checkpoints
from .gradients import project_conflicting, summed
from .job import Job
from .journal import JOURNAL
from .keeper import BEST, CHECKPOINT, Keeper
from .machine import Machine, keep_memory
from .module import SceneModule
from .objectives import SceneAndGroupLoss
from .progress import StageProgress

if TYPE_CHECKING:
    from .fit import Fit

WEIGHTS = "weights.pt"


def train(stage: Fit, network: nn.Module, job: Job, folder: Path, callbacks: Sequence[pl.Callback] = ()) -> nn.Module:
    """Train `network` as `stage` says; returns it on the CPU, in eval. `folder` gets weights, journal, checkpoint."""
    machine = job.machine.decided()
    folder.mkdir(parents=True, exist_ok=True)
    keep_memory()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = SceneModule(
        network,
        job,
        SceneAndGroupLoss(job.membership, stage.reduction),
        project_conflicting if stage.pcgrad else summed,
        stage.optimizer,
        stage.schedule,
        stage.epochs,
    )
    checkpoint = folder / CHECKPOINT
    if not job.resume:
        for stale in (WEIGHTS, CHECKPOINT, BEST, JOURNAL):  # else an interrupted run would pass for a whole one
            (folder / stale).unlink(missing_ok=True)
    select = stage.select if len(job.validation) else "last"
    keeper = Keeper(folder, select)
    _fit(
        _trainer(job, machine, stage.epochs, [*callbacks, StageProgress(stage.name, stage.epochs), keeper], folder),
        module,
        training_loader(job.crops, stage.batch_size),
        checkpoint if job.resume and checkpoint.is_file() else None,
    )
    if select == "best":
        network.load_state_dict(checkpoints.load(folder / BEST))
    network = network.to("cpu")
    checkpoints.save(network.state_dict(), folder / WEIGHTS)
    (folder / BEST).unlink(missing_ok=True)
    network.eval()  # a traced network's own eval() returns nothing
    return network


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
