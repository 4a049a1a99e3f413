"""Names, folds and devices of the clips of a simulated multi-device set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import DataError
from .dataset import Dataset
from .device_spec import DeviceSpec

Row = tuple[str, ...]
Listed = list[tuple["SourceClip", str]]  # clips, each with a device


@dataclass(frozen=True)
class SourceClip:
    """A source clip, and its name in the new set up to the device."""

    source: str
    label: str
    fold: str
    city: str
    location: str
    stem: str

    def file(self, device: str) -> str:
        return f"audio/{self.stem}-{device}.wav"

    def row(self, device: str) -> Row:
        return self.file(device), self.label, f"{self.city}-{self.location}", device


def source_clips(dataset: Dataset) -> list[SourceClip]:
    """The source's clips in its order, named."""
    if (dataset.target < 0).any():
        raise DataError(f"{dataset.name} has no labels; simulate-devices takes a set whose classes are known.")
    devices = sorted(set(dataset.device))
    if len(devices) > 1:
        raise DataError(
            f"{dataset.name} is recorded by {len(devices)} devices ({', '.join(devices[:4])}); simulate-devices takes "
            "a set of one. List the clips of one device in a CSV and give that."
        )
    own_names = {file for file, own in zip(dataset.files, dataset.recording, strict=True) if file == own}
    scene = _name_parts(dataset.classes)
    city = _name_parts(name or dataset.name for name in dataset.city)
    location = _name_parts(name for name in dataset.recording if name not in own_names)
    return [
        SourceClip(
            source=file,
            label=(label := dataset.classes[dataset.target[i]]),
            fold=dataset.fold[i],
            city=(own_city := city[dataset.city[i] or dataset.name]),
            location=(own_location := location.get(dataset.recording[i], f"clip{i}")),
            stem=f"{scene[label]}-{own_city}-{own_location}-{i}",
        )
        for i, file in enumerate(dataset.files)
    ]


def _name_parts(names: Iterable[str]) -> dict[str, str]:
    """Each name as a part of a TAU name: letters, digits and _ only; two names never become one."""
    parts: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(set(names)):
        plain = part = re.sub(r"\W+", "_", name).strip("_") or "x"
        number = 2
        while part in taken:
            part, number = f"{plain}_{number}", number + 1
        taken.add(part)
        parts[name] = part
    return parts


def fold_lists(name: str, clips: Sequence[SourceClip], spec: DeviceSpec) -> dict[str, tuple[Listed, Listed]]:
    """The number of each fold of the set `name` -> its training and its test clips with their devices."""
    names = sorted({clip.fold for clip in clips} - {""}, key=lambda name: (len(name), name))
    if set(names) <= {"train", "test", "validation"}:
        parts = {"1": (["train"], ["test"])} if names else {}
    else:
        numbered = names if all(own.isdecimal() for own in names) else [str(i + 1) for i in range(len(names))]
        parts = {n: ([f for f in names if f != own], [own]) for n, own in zip(numbered, names, strict=True)}
    folds = {}
    for number, (train_folds, test_folds) in parts.items():
        training = sorted((clip for clip in clips if clip.fold in train_folds), key=lambda clip: clip.source)
        train = [(clip, device) for i, clip in enumerate(training) for device in spec.training(i)]
        test = [(clip, device) for clip in clips if clip.fold in test_folds for device in spec.test_devices]
        if not train or not test:
            raise DataError(f"{name}: fold {number} has no {'test' if train else 'training'} clips.")
        folds[number] = (train, test)
    return folds
