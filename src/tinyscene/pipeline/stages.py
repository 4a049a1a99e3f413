"""Walks a recipe: each stage in its own folder of the run, each beginning with the weights of an earlier one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from ..data import ClipStore
from ..errors import ModelError, SettingError
from ..train import WEIGHTS, Machine, Stage, load, predict
from ..train.per_device import networks_of, predict_per_device
from .pix2pix import own_generators
from .preparing import Prepared
from .recipe import base_of, stages_of


def run_stages(
    prepared: Prepared,
    folder: Path,
    compress: bool,
    resume: bool = False,
    machine: Machine | None = None,
    tensorboard: bool = False,
) -> list[str]:
    """Run the training stages of the recipe, or with `compress` the compressing ones; returns their names.

    With `resume` a stage that has its weights is passed over, and one that was cut off goes on at its last epoch.

    Raises:
        ModelError: compressing a run whose training stages have not ended.
        SettingError: a recipe without such stages, or with one that begins with a stage that is not before it.
        DataError: clips that cannot be used, of those that test too.
    """
    stages = stages_of(prepared.system)
    wanted = [stage for stage in stages if stage.compresses == compress]
    if not wanted:
        kind = "compressing" if compress else "training"
        raise SettingError(f"the recipe of {prepared.system.name} has no {kind} stage; add one to the system file.")
    prepared.store(prepared.split.test, "windows")  # a clip that cannot be used shows now, not after hours of training
    prepared = own_generators(prepared.learned(folder), folder)
    if compress:
        restore(prepared, folder)  # says so if nothing is trained
    for stage in wanted:
        own = folder / stage.name
        if resume and (own / WEIGHTS).is_file():
            continue
        base = base_of(stages, stage)
        network = prepared.network() if base is None else restore(prepared, folder, base)
        job = prepared.job(stage, folder, resume, machine or Machine(), tensorboard)
        stage.run(network, job, own)
    return [stage.name for stage in wanted]


def finished_stages(prepared: Prepared, folder: Path) -> list[Stage]:
    """The stages of the recipe that have their weights, in the order in which they ended: the last is the newest.

    A stage ended after the one whose weights it begins with, whatever a copied run's clock says.
    """
    stages = stages_of(prepared.system)
    ended: dict[str, float] = {}
    for stage in stages:  # a stage stands behind its base
        weights, base = folder / stage.name / WEIGHTS, base_of(stages, stage)
        if weights.is_file():
            ended[stage.name] = max(weights.stat().st_mtime, 0.0 if base is None else ended.get(base.name, 0.0))
    return sorted((stage for stage in stages if stage.name in ended), key=lambda stage: ended[stage.name])


def restore(prepared: Prepared, folder: Path, stage: Stage | None = None) -> nn.Module:
    """The network of a stage that has ended, by default the last training stage, in eval on the CPU.

    That of an int8 stage is fake-quantised and settled; that of a half-precision stage has its numbers in 32 bits; of
    a stage with a network for each device it is the general one.

    Raises:
        ModelError: none has, or its weights do not fit the system.
    """
    if stage is None:
        done = [stage for stage in stages_of(prepared.system) if (folder / stage.name / WEIGHTS).is_file()]
        done = [stage for stage in done if not stage.compresses]
        if not done:
            raise ModelError(f"{folder} has no trained weights yet; train it first, or continue with --resume.")
        stage = done[-1]
    base = base_of(stages_of(prepared.system), stage)
    network = prepared.network() if base is None else restore(prepared, folder, base)
    network = stage.shaped(network, prepared.example(), folder / stage.name)
    _load(network, folder / stage.name, stage)
    if stage.precision == "int8":
        from ..compress import settle

        settle(network)  # type: ignore[arg-type]
    return network


def probabilities(
    prepared: Prepared, folder: Path, stage: Stage, network: nn.Module, store: ClipStore, rows: np.ndarray
) -> np.ndarray:
    """What a finished stage says of clips (clip, class); `store` has those of the data set's `rows`."""
    every = np.arange(len(store))
    if not stage.per_device:
        return predict(network, prepared.front_end.finish, prepared.decide, store, every)
    networks = networks_of(network, folder / stage.name / WEIGHTS)
    devices = prepared.dataset.device[rows]
    return predict_per_device(networks, devices, prepared.front_end.finish, prepared.decide, store, every)


def _load(network: nn.Module, folder: Path, stage: Stage) -> None:
    state = load(folder / WEIGHTS)
    if stage.per_device:
        state = {key.removeprefix("/"): value for key, value in state.items() if key.startswith("/")}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"{folder / WEIGHTS} does not fit the system: {str(error).splitlines()[0]}") from None
    network.eval()  # a traced network's own eval() returns nothing
