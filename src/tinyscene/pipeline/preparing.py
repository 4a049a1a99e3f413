"""From a run's record to data and networks that are ready: the Job that every stage is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..data import BandStore, Crops, Dataset, Split, fold_split, inner_validation, open_dataset, share_split
from ..errors import DataError, SettingError
from ..frontends import FrontEnd
from ..system import System
from ..train import Decision, Job, group_membership
from .run_folder import RunRecord

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

    def probe(self) -> None:
        """Build every part once, so that a number out of range shows before anything is written.

        Raises:
            SettingError: naming the field.
        """
        self.network().eval()(self.example())
        for spec in (*self.system.recipe, *self.system.augment.bands, *self.system.augment.features):
            spec.build()

    def example(self) -> Tensor:
        """Two windows of finished features, to trace and to count on."""
        with torch.no_grad():
            return self.front_end(torch.zeros(2, self.system.window_samples))

    def store(self, rows: np.ndarray, cut: str, hop_s: float | None = None) -> BandStore:
        """Band features of `rows`, from the cache or computed now."""
        what = "features of training clips" if cut == "whole" else "features of windows"
        with self.progress(what) as report:
            return BandStore(self.system, self.dataset.take(rows), cut, hop_s, progress=report)

    def job(self, validation_share: float, resume: bool, accelerator: str, precision: str, tensorboard: bool) -> Job:
        """The training data of a stage, made ready: crops, held-out windows, augmentations that have learned."""
        fit_rows, validation = inner_validation(self.dataset, self.split.train, validation_share, self.seed)
        # One store for all training clips, whoever is held out: stages with other shares find it again.
        store = self.store(self.split.train, "whole")
        own = self.dataset.take(self.split.train)
        position = {int(row): i for i, row in enumerate(self.split.train)}
        held_out = np.asarray([position[int(row)] for row in validation], dtype=np.int64)
        crops = Crops(store, own, np.asarray([position[int(row)] for row in fit_rows]), self.seed)
        augment = self.system.augment
        bands = [spec.build() for spec in augment.bands]
        features = [spec.build() for spec in augment.features]
        learning = [part for part in (*bands, *features) if hasattr(part, "fit")]
        if learning:
            spectra = crops.mean_spectra()
            for part in learning:
                part.fit(spectra)
        return Job(
            finish=self.front_end.finish,
            bands_augment=bands,
            features_augment=features,
            crops=crops,
            windows=self.store(self.split.train, "windows") if len(held_out) else store,
            validation=held_out,
            decide=self.decide,
            membership=self.membership,
            example=self.example(),
            seed=self.seed,
            accelerator=accelerator,
            precision=precision,
            tensorboard=tensorboard,
            resume=resume,
        )


def prepare(system: System, record: RunRecord, progress: Progress) -> Prepared:
    """Open the run's data and split it as the run says.

    Raises:
        DataError: the data are not there, cannot be split so, or have other classes than the run was trained on.
        SettingError: a system whose rates contradict each other.
    """
    spectral = system.frontend.fields.get("spectral")
    rate = None if spectral is None else spectral.fields.get("sample_rate_hz")
    if rate not in (None, system.task.sample_rate_hz):
        raise SettingError(
            f"{system.name}: task.sample_rate_hz is {system.task.sample_rate_hz}, frontend.spectral.sample_rate_hz "
            f"{rate}; set both to the same rate."
        )
    dataset = open_dataset(record.data, record.columns)
    if record.classes and record.classes != dataset.classes:
        raise DataError(
            f"{record.data} has the classes {', '.join(dataset.classes)} now; the run was trained on "
            f"{', '.join(record.classes)}."
        )
    return Prepared(system, dataset, _split(dataset, record), record.seed, progress)


def _split(dataset: Dataset, record: RunRecord) -> Split:
    if record.test_share is not None:
        return share_split(dataset, record.test_share, record.seed)
    return fold_split(dataset, record.fold or "1")


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
