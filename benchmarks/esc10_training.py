"""One training in this process, for benchmarks that compare many: not the run is kept, but its answers."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import nn

from tinyscene.augment import DeviceResponse, Mixup, RandomResponse, SpecAugment
from tinyscene.data import Split
from tinyscene.evaluate import Predictions
from tinyscene.pipeline import RunRecord, prepare
from tinyscene.pipeline.preparing import Prepared
from tinyscene.pipeline.teacher_file import TEACHER
from tinyscene.spec import Spec
from tinyscene.system import Augment, System
from tinyscene.train import Machine, predict, read_journal
from tinyscene.train.teacher_logits import write_teacher_logits

LOG = "done.jsonl"
FIRST_WIDTHS = (16, 32, 48, 64, 64)
WIDE = (24, 40, 64, 64, 72)
RANDOM = Spec(RandomResponse, depth_db=8.0, octaves=1.0, f_min=40.0, p=0.6)


def plain(system: System, epochs: int) -> System:
    """No augmentation but the gain, so many epochs, in the network's first widths."""
    system = system.but(augment=Augment(bands=(system.augment.bands[0].but(curve_db=0.0),)))
    return of_epochs(system.but(model=system.model.but(widths=FIRST_WIDTHS)), epochs)


def all_augmentations(system: System, epochs: int = 100) -> System:
    """Gain, curves of 4 dB, mixup and masks, in the network's first widths."""
    masks = Spec(SpecAugment, band_masks=1, band_width=16, frame_masks=1, frame_width=10, fill=0.0)
    bands = (system.augment.bands[0].but(curve_db=4.0), Spec(Mixup, alpha=0.3))
    system = system.but(augment=Augment(bands=bands, features=(masks,)))
    return of_epochs(system.but(model=system.model.but(widths=FIRST_WIDTHS)), epochs)


def changed(system: System, **parts: tuple[Spec, ...]) -> System:
    """The system with augmentations at some places, after what is there."""
    after = {place: (*getattr(system.augment, place), *more) for place, more in parts.items()}
    return system.but(augment=replace(system.augment, **after))


def responses(data: Path, p: float = 0.6) -> Spec:
    """Measured responses of microphones (MicIRP), for power spectra."""
    return Spec(DeviceResponse, folder=str((data / "micirp" / "ir").resolve()), p=p)


def of_epochs(system: System, epochs: int) -> System:
    """The system with its first stage of so many epochs, a twentieth of them warming up."""
    fit = system.recipe[0]
    schedule = fit.fields["schedule"].but(warmup_epochs=max(1, epochs // 20))
    return system.but(recipe=(fit.but(epochs=epochs, schedule=schedule), *system.recipe[1:]))


def noted(journal: Path, key: dict[str, Any], make: Callable[[], dict[str, Any]]) -> None:
    """A line of `key` and what `make` gives, in the journal, unless there is one."""
    if any(row | key == row for row in read_journal(journal)):
        return
    row = key | make()
    with journal.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(*key.values(), f"{row['cpu_seconds']:.0f} CPU s", flush=True)


def opened(
    system: System,
    data: Path,
    seed: int,
    folds: tuple[int, ...],
    classes: tuple[int, ...] = (),
    devices: tuple[str, ...] = (),
) -> Prepared:
    """The system on the data, those folds and classes held out, with what its front end learns from the rest.

    devices: those whose clips train; none: all that do.
    """
    torch.set_num_threads(1)
    prepared = prepare(system, RunRecord(system.name, str(data), seed, str(folds[0])), lambda _: nullcontext(_silent))
    if len(folds) > 1 or classes:
        held_out = np.isin(prepared.dataset.fold.astype(str), list(map(str, folds)))
        held_out |= np.isin(prepared.dataset.target, classes)
        how = f"without folds {' and '.join(map(str, folds))}" + (f" and {len(classes)} classes" if classes else "")
        prepared = replace(prepared, split=Split(np.flatnonzero(~held_out), np.flatnonzero(held_out), how))
    if devices:
        train = prepared.split.train
        train = train[np.isin(prepared.dataset.device[train].astype(str), devices)]
        prepared = replace(prepared, split=replace(prepared.split, train=train))
    return prepared.with_learned()


def trained(
    prepared: Prepared,
    folder: Path,
    precision: str,
    teacher: np.ndarray | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> tuple[nn.Module, float]:
    """The network after the first stage, and its CPU seconds; `folder` is for the meantime.

    teacher: probabilities (training clip, class), for a stage that listens to one.
    """
    stage = prepared.system.recipe[0].build()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if teacher is not None:
        files = list(map(str, prepared.dataset.files[prepared.split.train]))
        write_teacher_logits(folder / TEACHER, prepared.dataset.classes, files, np.log(teacher.clip(1e-15)))
    began = time.process_time()
    job = prepared.job(stage, folder, False, Machine("cpu", precision), False)
    network = stage.run(prepared.network(), job, folder / stage.name, callbacks)
    spent = time.process_time() - began
    shutil.rmtree(folder)
    return network, spent


def answers(prepared: Prepared, network: nn.Module, rows: np.ndarray) -> Predictions:
    """What the network says of the clips, the mean over the windows of each."""
    store = prepared.store(rows, "windows")
    said = predict(network, prepared.front_end.finish, prepared.decide, store, np.arange(len(store)))
    return told(prepared, rows, said)


def told(prepared: Prepared, rows: np.ndarray, probabilities: np.ndarray) -> Predictions:
    """Probabilities with what is known of their clips."""
    clips = prepared.dataset.take(rows)
    names = {name: list(map(str, getattr(clips, name))) for name in ("files", "device", "recording")}
    return Predictions(
        clips.classes,
        probabilities,
        clips.target,
        files=names["files"],
        devices=names["device"],
        recordings=names["recording"],
    )


def _silent(done: int, total: int) -> None:
    """Progress that nobody is told of."""
