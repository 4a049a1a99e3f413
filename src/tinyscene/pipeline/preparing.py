"""From a run's record to data and networks that are ready: the Job that every stage is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..augment import Augmentation
from ..data import (
    TAU_CLASSES,
    TAU_GROUPS,
    ClipStore,
    Crops,
    Dataset,
    Split,
    fold_split,
    inner_validation,
    open_dataset,
    share_split,
)
from ..data.tau import in_three_classes
from ..errors import DataError, SettingError
from ..frontends import FrontEnd
from ..system import System
from ..train import Decision, Job, Machine, Stage, group_membership
from .generators import found_generators
from .learning import Numbers, completed, learn, learners, load_learned, save_learned
from .recipe import stages_of
from .run_folder import RECORD, RunRecord, check_clips, told_clips
from .teacher_file import teacher_logits

# Opens a progress display titled as told; what it gives is called with (done, all).
Progress = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


@dataclass(frozen=True)
class Prepared:
    """A system, fitted to a data set: heads for its classes, its split, its features."""

    system: System
    dataset: Dataset
    split: Split
    seed: int
    progress: Progress

    @cached_property
    def membership(self) -> Tensor | None:
        return group_membership(self.dataset.classes, self.system.task.groups)

    @cached_property
    def decide(self) -> Decision:
        return Decision(len(self.dataset.classes), self.membership, self.system.inference.group_weight)

    @cached_property
    def front_end(self) -> FrontEnd:
        front_end = self.system.frontend.build()
        if not isinstance(front_end, FrontEnd):
            raise SettingError(
                f"{self.system.name}.frontend takes a Spec of FrontEnd; {type(front_end).__name__} came."
            )
        return front_end.eval()

    def network(self) -> nn.Module:
        """The system's network, untrained, with heads for this data set; the seed decides its weights."""
        heads = {"n_classes": len(self.dataset.classes)}
        if "n_groups" in self.system.model.fields:
            heads["n_groups"] = 0 if self.membership is None else self.membership.shape[1]
        torch.manual_seed(self.seed)
        return self.system.model.build(**heads)

    def probe(self, machine: Machine) -> None:
        """Build every part once, so that a number out of range shows before anything is written.

        Raises:
            SettingError: naming the field, or what `machine` cannot serve.
        """
        self.network().eval()(self.example())
        stages_of(self.system)
        hidden = self.augmentations()["hidden"]
        if machine.compiled and hidden:
            raise SettingError(
                f"--compile cannot serve {type(hidden[0]).__name__}, which changes what lies inside the network in "
                "each step; train without --compile."
            )

    def example(self) -> Tensor:
        """Two windows of finished features, to trace and to count on."""
        with torch.no_grad():
            return self.front_end(torch.zeros(2, self.system.window_samples))

    def on(self, dataset: Dataset) -> Prepared:
        """The same system, to listen to the clips of `dataset`, which has the same classes."""
        return replace(self, dataset=dataset)

    def augmentations(self) -> dict[str, list[Augmentation]]:
        """Every augmentation, built, by its place.

        Raises:
            SettingError: a number out of range, or an augmentation at a place it cannot act on.
        """
        augment = self.system.augment
        built = {place.name: [spec.build() for spec in getattr(augment, place.name)] for place in fields(augment)}
        for place, parts in built.items():
            for part in parts:
                if place not in part.places:
                    raise SettingError(
                        f"{self.system.name}: augment.{place} has {type(part).__name__}, which takes the place "
                        f"{' or '.join(part.places)}."
                    )
        if built["spectrum"]:
            self.front_end.spectrum(torch.zeros(1, self.system.window_samples))
        return built

    def learned(self, folder: Path) -> Prepared:
        """The same with what its parts learned from the training clips of the first stage, kept in the run's folder."""
        numbers = load_learned(folder)
        if not numbers and learners(self.system):
            numbers = self._learn()
            save_learned(folder, numbers)
        return replace(self, system=completed(self.system, numbers))

    def with_learned(self) -> Prepared:
        """As `learned`, for who has no run: the front end as a run with this seed and split will have it."""
        return replace(self, system=completed(self.system, self._learn()))

    def _learn(self) -> Numbers:
        share = self.system.recipe[0].build().validation_share
        return learn(self.system, lambda cut: self.crops(share, cut)[0])

    def store(self, rows: np.ndarray, cut: str, hop_s: float | None = None) -> ClipStore:
        """Band features of `rows`, from the cache or computed now."""
        what = {"waveform": "training clips", "whole": "features of training clips", "windows": "features of windows"}[
            cut
        ]
        with self.progress(what) as report:
            hop_s = hop_s or self.system.inference.hop_s if cut == "windows" else None
            return ClipStore(self.system, self.dataset.take(rows), cut, hop_s, progress=report)

    def crops(
        self, validation_share: float, cut: str, wave: Sequence[Augmentation] = ()
    ) -> tuple[Crops, np.ndarray, ClipStore]:
        """The training clips less those held out; the rows held out; the store of both, rows of the training split."""
        fit_rows, validation = inner_validation(self.dataset, self.split.train, validation_share, self.seed)
        # One store for all training clips, whoever is held out: stages with other shares find it again.
        store = self.store(self.split.train, cut)
        position = {int(row): i for i, row in enumerate(self.split.train)}
        own, held_out = (
            np.asarray([position[int(row)] for row in rows], dtype=np.int64) for rows in (fit_rows, validation)
        )
        return Crops(store, self.dataset.take(self.split.train), own, self.seed, wave), held_out, store

    def job(self, stage: Stage, folder: Path, resume: bool, machine: Machine, tensorboard: bool) -> Job:
        """The training data of a stage, made ready: crops, held-out windows, augmentations, what its teacher says."""
        augment = self.augmentations()
        cut = "waveform" if augment["wave"] or augment["spectrum"] else "whole"
        crops, held_out, store = self.crops(stage.validation_share, cut, augment["wave"])
        if stage.taught:
            crops = crops.taught(teacher_logits(self.dataset.take(self.split.train), folder, stage.name))
        if stage.views:
            crops = crops.viewed(stage.views, stage.views_of)
        return Job(
            front_end=self.front_end,
            augment=augment,
            crops=crops,
            windows=self.store(self.split.train, "windows") if len(held_out) else store,
            validation=held_out,
            decide=self.decide,
            membership=self.membership,
            example=self.example(),
            seed=self.seed,
            machine=machine,
            tensorboard=tensorboard,
            resume=resume,
        )


def prepare(system: System, record: RunRecord, progress: Progress, folder: Path | None = None) -> Prepared:
    """Open the run's data and split it as the run says; `folder` is the run's, if it has learned numbers already.

    Raises:
        DataError: the data are not there, cannot be split so, or have other classes or clips than the run began with.
        SettingError: a system whose rates contradict each other.
    """
    spectral = system.frontend.fields.get("spectral")
    rate = None if spectral is None else spectral.fields.get("sample_rate_hz")
    if rate not in (None, system.task.sample_rate_hz):
        raise SettingError(
            f"{system.name}: task.sample_rate_hz is {system.task.sample_rate_hz}, frontend.spectral.sample_rate_hz "
            f"{rate}; set both to the same rate."
        )
    if folder is not None and record.clips and not Path(record.data).exists():
        raise DataError(
            f"{record.data}, the data of {folder}, is not there any more. Put it back, or write where it lies now as "
            f'"data" into {folder / RECORD}.'
        )
    dataset = open_dataset(record.data, record.columns, record.skip_bad, fold=record.fold)
    if record.left_out:
        dataset = dataset.take(np.flatnonzero(~np.isin(dataset.files.astype(str), record.left_out)))
    if set(system.task.classes) == set(TAU_GROUPS) and set(dataset.classes) == set(TAU_CLASSES):
        dataset = in_three_classes(dataset)
    if record.classes and record.classes != dataset.classes:
        raise DataError(
            f"{record.data} has the classes {', '.join(dataset.classes)} now; the run was trained on "
            f"{', '.join(record.classes)}."
        )
    if folder is not None:
        system = found_generators(completed(system, load_learned(folder)), folder)
    prepared = Prepared(system, dataset, _split(dataset, record, system.whole), record.seed, progress)
    check_clips(record, clips_of(prepared))
    return prepared


def recorded(record: RunRecord, prepared: Prepared) -> RunRecord:
    """The record of a run that begins, with what it was found to be trained and tested on."""
    return replace(record, classes=prepared.dataset.classes, clips=clips_of(prepared))


def clips_of(prepared: Prepared) -> dict[str, object]:
    """Which clips train and which test, as a record holds it."""
    files = prepared.dataset.files
    return told_clips(files[prepared.split.train], files[prepared.split.test])


def _split(dataset: Dataset, record: RunRecord, whole: bool) -> Split:
    if record.test_share is not None:
        split = share_split(dataset, record.test_share, record.seed)
    else:
        split = fold_split(dataset, record.fold or "1")
    if not whole:
        return split
    how = f"all clips train, those of the test part ({split.how}) too: figures on them are no measure"
    return Split(np.flatnonzero(dataset.target >= 0), split.test, how)


def data_facts(prepared: Prepared) -> Mapping[str, object]:
    """What the report says of the data."""
    dataset, split = prepared.dataset, prepared.split
    return {
        "name": dataset.name,
        "folder": str(Path(dataset.root)),
        "classes": list(dataset.classes),
        "n_train": len(split.train),
        "n_test": len(split.test),
        "split": split.how,
        "synthetic": dataset.synthetic,
    }
