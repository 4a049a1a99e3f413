"""Golden fingerprints: what each system counts, hears and does in its first steps. `make.py [NAME...]` writes them.

A fingerprint tells that something moved, not that it is right: figures are held to witnesses elsewhere. Clips are
seeded noise, shaped in time and coloured by two devices; everything runs on one thread, on the road of a run. A pix2pix
generator that each run trains for itself is left out of the steps (p = 0), and seen in the parts alone. The steps are
at a tenth of the optimiser's rate: a warm-up would keep it at 0, and at its full height rounding grows to per cents of
a loss. The schedule is told apart.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from tinyscene.audio import write_wav
from tinyscene.augment import Pix2pix
from tinyscene.data import Split, training_loader
from tinyscene.data.dataset import unlabelled_dataset
from tinyscene.evaluate import count_complexity
from tinyscene.files import write_whole
from tinyscene.pipeline.preparing import Prepared
from tinyscene.pipeline.recipe import stages_of
from tinyscene.pipeline.teacher_file import TEACHER
from tinyscene.spec import Spec
from tinyscene.system import Augment, System
from tinyscene.systems import load_system, systems
from tinyscene.train import Fit, Machine
from tinyscene.train.distillation import SelfDistillation
from tinyscene.train.gradients import project_conflicting, summed
from tinyscene.train.module import SceneModule
from tinyscene.train.teacher_logits import write_teacher_logits

FOLDER = Path(__file__).parent
SEED = 1  # with it every augmentation acts in the steps of every system that has it
DEVICES = ("a", "s1", "a")  # a clip each: what corrects device a has another to learn from
CLIP_WINDOWS = 1.3  # length of a clip: crops are drawn, and one that is played faster has enough to play
N_STEPS = 2  # of the optimiser, before the last loss
RATE_SHARE = 0.1  # of the optimiser's own rate


# ---- what is fed ----


def clips(folder: Path, rate_hz: int, window_s: float) -> list[str]:
    """Names of the clips of this rate and length in `folder`; written if they are not there."""
    names = [f"{rate_hz}-{window_s:g}-{i}-{device}.wav" for i, device in enumerate(DEVICES)]
    time_s = np.arange(round(CLIP_WINDOWS * window_s * rate_hz)) / rate_hz
    for i, (name, device) in enumerate(zip(names, DEVICES, strict=True)):
        if (folder / name).is_file():
            continue
        rng = np.random.default_rng([SEED, i])
        wave = rng.normal(0, 0.05, len(time_s)) * (1.2 + np.sin(2 * np.pi * (0.7 + i) * time_s / window_s))
        wave += 0.1 * np.sin(2 * np.pi * 300 * (i + 1) * time_s) * (np.sin(2 * np.pi * 3 / window_s * time_s) > 0)
        if device != "a":
            wave[1:] -= 0.8 * wave[:-1]
        write_wav(folder / name, wave.astype(np.float32), rate_hz)
    return names


def prepared(system: System, folder: Path) -> tuple[Prepared, Path]:
    """The system on the clips, as a run would have it, with what its parts learn of them; the run's folder."""
    classes, names = system.task.classes, clips(folder, system.task.sample_rate_hz, system.task.window_s)
    told = unlabelled_dataset("golden", folder, classes, names, DEVICES)
    dataset = replace(told, target=np.arange(len(names)) * 2 % len(classes))
    rows = np.arange(len(dataset))
    run = Path(tempfile.mkdtemp(dir=folder))
    logits = np.random.default_rng([SEED, len(names)]).normal(0, 2, (len(names), len(classes)))
    write_teacher_logits(run / TEACHER, classes, names, logits)
    split = Split(rows, rows[:0], "all")
    return Prepared(system, dataset, split, SEED, lambda _: nullcontext(_silent)).learned(run), run


def _silent(done: int, total: int) -> None:
    """Tells nobody."""


def tiny(system: System) -> System:
    """The system up to its first stage, which holds nothing out and is fed all clips at once."""

    def used(spec: Spec) -> Spec:
        return spec.but(p=0.0) if spec.target is Pix2pix and not spec.fields["weights"] else spec

    first = system.recipe[0].but(validation_share=0.0, select="last", mean_epochs=0, batch_size=len(DEVICES))
    places = {place: tuple(map(used, specs)) for place, specs in _fields(system.augment).items()}
    return system.but(recipe=(first,), augment=Augment(**places), whole=False)


# ---- what is told ----


def fingerprint(system: System, folder: Path) -> dict[str, Any]:
    """All that tests/test_golden.py compares.

    `folder` keeps clips, features and figures: systems that share a front end share its features, and those that part
    behind the first stage share all figures.
    """
    own = tiny(system)
    kept = folder / f"{_hash(list(parts(own).values()))}.json"
    if not kept.is_file():
        with one_thread():
            kept.write_text(json.dumps(figures(own, folder)))
    return {"parts": parts(system)} | json.loads(kept.read_text())


def figures(system: System, folder: Path) -> dict[str, Any]:
    """Counts, features, and the first stage's rates and steps."""
    ready, run = prepared(system, folder)
    stage = stages_of(system)[0]
    assert isinstance(stage, Fit)
    features = ready.front_end(_waveform(ready))
    counts = count_complexity(system.model.build().eval(), features, system.task.window_s)
    return {
        "counts": {key: counts[key] for key in ("parameters", "parameters_keras", "macs")},
        "features": told_features(features),
        "rates": told_rates(stage),
        "steps": told_steps(stage, ready, run),
    }


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, whatever the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def parts(system: System) -> dict[str, str]:
    """Part -> hash of all its numbers, the defaults of our classes among them; torch's own are torch's business."""
    found: dict[str, Any] = {"task": system.task, "frontend": system.frontend, "model": system.model}
    rows = {f"augment.{place}": own for place, own in _fields(system.augment).items()} | {"recipe": system.recipe}
    found |= {f"{row}.{i}.{spec.name}": spec for row, specs in rows.items() for i, spec in enumerate(specs)}
    found |= {"inference": system.inference, "whole": system.whole}
    return {key: _hash(_plain(value)) for key, value in found.items()}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        ours = value.target.__module__.startswith("tinyscene.")
        return {"class": value.target.__name__} | _plain(value.fields if ours else value.numbers)
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(_fields(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _waveform(ready: Prepared) -> Tensor:
    waveform = ready.store(np.arange(1), "waveform")[0][: ready.system.window_samples]
    return torch.from_numpy(np.array(waveform, dtype=np.float32))[None]


def told_features(features: Tensor) -> dict[str, Any]:
    """Shape, mean, deviation, and cells at fixed shares of each axis: no hash, which would differ from CPU to CPU."""
    maps = features[0].double()
    channels, bands, frames = maps.shape
    cells = [
        maps[channel, int(band * bands), int(frame * frames)].item()
        for channel in range(channels)
        for band, frame in ((0.0, 0.5), (0.3, 0.2), (0.6, 0.8), (0.99, 0.4))
    ]
    return {"shape": list(maps.shape), "mean": maps.mean().item(), "deviation": maps.std().item(), "cells": cells}


def told_rates(stage: Fit) -> list[float]:
    """Learning rates of its first epoch, after a tenth and a half of them, and of its last."""
    at = (0, stage.epochs // 10, stage.epochs // 2, stage.epochs - 1)
    return [stage.schedule.lr(epoch, stage.epochs, stage.optimizer.fields["lr"]) for epoch in at]


class Steady:
    """A schedule that stays, low."""

    def lr(self, epoch: int, epochs: int, base: float) -> float:
        """A tenth of `base`, always."""
        return RATE_SHARE * base


class Losses(pl.Callback):
    """The loss of each batch, before its step; and how far the weights went, as the norm of their change."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.ways: list[float] = []
        self._begin: list[Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin = [weights.detach().clone() for weights in pl_module.parameters()]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, SceneModule)
        mean, n = pl_module.running[0], len(batch.x)
        self.losses.append(mean * n * (batch_idx + 1) - sum(self.losses))
        pairs = zip(pl_module.parameters(), self._begin, strict=True)
        squares = [(weights.detach() - begin).double().square().sum() for weights, begin in pairs]
        self.ways.append(math.sqrt(sum(squares)))


def told_steps(stage: Fit, ready: Prepared, run: Path) -> dict[str, Any]:
    """Losses of the stage on one batch, before each of its first steps and after them, all its chance switched on."""
    network = ready.network().train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    job = ready.job(stage, run, False, Machine("cpu", "32-true"), False)
    objective = stage.objective(job.membership)
    if isinstance(objective, SelfDistillation):
        objective.watch(network, job.example)
    gradients = project_conflicting if stage.pcgrad else summed
    module = SceneModule(network, job, objective, gradients, stage.optimizer, Steady(), 1, stage.teacher(network, job))
    watch = Losses()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=1,
            callbacks=[watch],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        batches = list(training_loader(job.crops, len(DEVICES), workers=0)) * (N_STEPS + 1)
        trainer.fit(module, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    return {"chance": _chance(), "losses": watch.losses, "ways": watch.ways[:N_STEPS]}


def _chance() -> str:
    """What dropout draws first: torch builds for other processors may draw otherwise, and lose other maps then."""
    torch.manual_seed(0)
    return "".join(str(int(x)) for x in torch.bernoulli(torch.full((32,), 0.5)))


# ---- the files ----


def path_of(name: str) -> Path:
    """Where the fingerprint of a system lies."""
    return FOLDER / f"{name}.json"


def strays() -> list[Path]:
    """Fingerprints of systems that are no more."""
    return sorted(set(FOLDER.glob("*.json")) - {path_of(name) for name in systems()})


def main(names: list[str]) -> None:
    """Write the fingerprints of the systems named, or of all; then those of systems that are no more go."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TINYSCENE_CACHE"] = str(Path(folder) / "cache")
        for name in names or systems():
            found = fingerprint(load_system(name), Path(folder))
            write_whole(path_of(name), json.dumps(found, indent=1) + "\n")
            print(path_of(name))
    for path in () if names else strays():
        path.unlink()
        print(f"{path.stem}: removed")


if __name__ == "__main__":
    main(sys.argv[1:])
