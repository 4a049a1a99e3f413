"""Walks a recipe: each stage in its own folder of the run, each taking the network of the one before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from ..errors import ModelError, SettingError
from ..train import WEIGHTS, Fit, Machine, load
from .preparing import Prepared

if TYPE_CHECKING:
    from torch.fx import GraphModule


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
        SettingError: a recipe without such stages.
    """
    stages = [spec.build() for spec in prepared.system.recipe]
    wanted = [stage for stage in stages if stage.compresses == compress]
    if not wanted:
        kind = "compressing" if compress else "training"
        raise SettingError(f"the recipe of {prepared.system.name} has no {kind} stage; add one to the system file.")
    prepared = prepared.learned(folder)
    network = restore_float(prepared, folder) if compress else prepared.network()
    for stage in wanted:
        own = folder / stage.name
        if resume and (own / WEIGHTS).is_file():
            if not compress:
                network.load_state_dict(load(own / WEIGHTS))
            continue
        job = prepared.job(stage.validation_share, resume, machine or Machine(), tensorboard)
        network = stage.run(network, job, own)
    return [stage.name for stage in wanted]


def finished_stages(prepared: Prepared, folder: Path) -> list[Fit]:
    """The stages of the recipe that have their weights, in order."""
    return [stage for spec in prepared.system.recipe if (folder / (stage := spec.build()).name / WEIGHTS).is_file()]


def restore_float(prepared: Prepared, folder: Path, stage: Fit | None = None) -> nn.Module:
    """The network of a training stage that has ended, by default the last one, in eval.

    Raises:
        ModelError: none has, or its weights do not fit the system.
    """
    done = [stage for stage in finished_stages(prepared, folder) if not stage.compresses]
    if not done:
        raise ModelError(f"{folder} has no trained weights yet; train it first, or continue with --resume.")
    return _loaded(prepared.network(), folder / (stage or done[-1]).name)


def restore_int8(prepared: Prepared, folder: Path, stage: Fit) -> GraphModule:
    """The fake-quantised network of a compressing stage, settled, in eval."""
    from ..compress import prepared as fake_quantised
    from ..compress import settle

    graph = fake_quantised(restore_float(prepared, folder), prepared.example())
    _loaded(graph, folder / stage.name)
    settle(graph)
    return graph


def _loaded(network: nn.Module, folder: Path) -> nn.Module:
    try:
        network.load_state_dict(load(folder / WEIGHTS))
    except RuntimeError as error:
        raise ModelError(f"{folder / WEIGHTS} does not fit the system: {str(error).splitlines()[0]}") from None
    network.eval()  # a traced network's own eval() returns nothing
    return network
