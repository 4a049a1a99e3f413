"""What a simulated multi-device set consists of: names, folds and devices of its clips, and what marks its folder."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, OutputError, command
from ..files import make_folder, write_whole
from .bad_rows import SHOWN
from .dataset import Dataset
from .decodable import undecodable
from .device_spec import DeviceSpec

MARKER = "simulated.json"  # what the set is made of; stands in the folder before the first clip does
CONTINUE = "unfinished.txt"  # the command that goes on with it; gone when the set is whole
LAST = "meta.csv"  # the list that is written last

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


def clips_to_leave_out(
    dataset: Dataset, skip_bad: bool, say: Callable[[str], None], progress: Callable[[int, int], None] | None
) -> tuple[str, ...]:
    """The clips to leave out of a new set.

    Raises:
        DataError: there are some and they are not to be skipped, or there are no others.
    """
    bad = undecodable(dataset, "mean", progress)
    if bad and (not skip_bad or len(bad) == len(dataset)):
        if len(bad) > SHOWN:
            for _, why in bad:
                say(why)
        advice = "" if skip_bad else " or give --skip-bad"
        raise DataError(
            f"{len(bad):,} of {counted(len(dataset))} of {dataset.name} cannot be decoded, nothing was made: "
            f"{shown([why.rstrip('.') for _, why in bad], '; ')} Mend them{advice}."
        )
    return tuple(file for file, _ in bad)


def shown(texts: Sequence[str], between: str = ", ") -> str:
    """The first of them, and how many more there are."""
    more = f"{between}and {len(texts) - SHOWN:,} more" if len(texts) > SHOWN else ""
    return f"{between.join(texts[:SHOWN])}{more}."


def counted(n: int) -> str:
    """`n` and the word clip, in its plural where it has to be."""
    return "1 clip" if n == 1 else f"{n:,} clips"


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


def unlisted_clips(clips: Sequence[SourceClip], folds: Mapping[str, tuple[Listed, Listed]]) -> str:
    """What to say of clips that none of the lists of `folds` names; '' where they name every clip."""
    listed = {clip.source for parts in folds.values() for part in parts for clip, _ in part}
    left = Counter(clip.fold for clip in clips if clip.source not in listed)
    if not folds or not left:
        return ""
    told = " and ".join(
        f"{counted(n)} of " + (f"the fold '{fold}'" if fold else "no fold") for fold, n in sorted(left.items())
    )
    return (
        f"{told} of the source are not made: the new set has lists for training and test only. List them as a set of "
        "their own to have them simulated too."
    )


def write_lists(to: Path, made: Sequence[tuple[SourceClip, Row]], folds: Mapping[str, tuple[Any, ...]]) -> None:
    """The lists of TAU, and one that leads back to the source."""
    head = ("filename", "scene_label", "identifier", "source_label")
    if folds:
        make_folder(to / "evaluation_setup", "Choose another --to.")
    for number, parts in folds.items():
        train, test = ([clip.row(device) for clip, device in part] for part in parts)
        setup = to / "evaluation_setup" / f"fold{number}"
        _write_table(Path(f"{setup}_train.csv"), [head[:2], *(row[:2] for row in train)])
        _write_table(Path(f"{setup}_test.csv"), [head[:1], *(row[:1] for row in test)])
        _write_table(Path(f"{setup}_evaluate.csv"), [head[:2], *(row[:2] for row in test)])
    sources = [(clip.stem, clip.source, clip.label, clip.fold) for clip, _ in made]
    _write_table(to / "source.csv", [("clip", "source", "scene_label", "fold"), *sources])
    write_whole(to / "README.md", _README)
    rows = [(*clip.row(device), clip.fold) for clip, devices in made for device in devices]
    _write_table(to / "meta.csv", [(*head, "fold"), *rows])  # last: with it the set is whole


def _write_table(path: Path, rows: Iterable[Row]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(rows)
    write_whole(path, text.getvalue())


_README = f"""# Simulated devices

Made by `tinyscene data simulate-devices` from the set, responses and compressors that `{MARKER}` names: the first
training device is the clip as recorded, the others are that clip through a measured microphone response and a
compressor. `source.csv` says which source clip each one is. The licence of the source holds for these clips too.
"""


# ---- the folder ----


def found_recipe(to: Path) -> dict[str, Any] | None:
    """The recipe that stands in the folder; {} for one that cannot be read, None where there is none."""
    marker = to / MARKER
    if not marker.is_file():
        return None
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def check_folder(to: Path, found: Mapping[str, Any] | None, recipe: Mapping[str, Any]) -> None:
    """OutputError where the folder holds something else than (a beginning of) this set."""
    if found is not None:
        other = [key for key in recipe if found.get(key) != recipe[key]]
        if other:
            skipped = " It was made with --skip-bad." if found.get("left_out") and "left_out" not in recipe else ""
            raise OutputError(
                f"{to} holds a simulated set with other {', '.join(other)}; it is left as it is.{skipped} Choose "
                "another --to, or remove that folder first."
            )
    elif to.exists() and not to.is_dir():
        raise OutputError(f"{to} is a file; choose another --to.")
    elif to.is_dir() and any(to.iterdir()):
        raise OutputError(f"{to} is not empty and holds no simulated set (no {MARKER}); choose another --to.")


def begin(to: Path, recipe: Mapping[str, Any], command: str) -> None:
    """Make the folder ours: the recipe stands in it before the first clip does, so that a cut run is known again."""
    make_folder(to, "Choose another --to.")
    if not (to / MARKER).is_file():
        write_whole(to / MARKER, json.dumps(recipe, indent=2) + "\n")
    write_whole(to / CONTINUE, f"{command}\n")
    make_folder(to / "audio", "Choose another --to.")
    for half in (to / "audio").glob(".*.wav.*"):  # of a run that was killed
        half.unlink(missing_ok=True)


def command_of(
    source: Path, spec: Path | Mapping[str, Any], to: Path, bits: int, responses: Path | None, skip_bad: bool
) -> str:
    """What goes on with a set that was cut off."""
    if isinstance(spec, Mapping):
        return "the same call of simulate_devices"
    words = ["tinyscene", "data", "simulate-devices", os.path.abspath(source), "--devices", os.path.abspath(spec)]
    words += ["--to", os.path.abspath(to), *(() if bits == 24 else ("--bits", str(bits)))]
    words += [] if responses is None else ["--responses", os.path.abspath(responses)]
    return shlex.join([*words, *(["--skip-bad"] if skip_bad else [])])


def unfinished(folder: Path) -> str:
    """What to say of a simulated set that is not whole, with the command that goes on; '' for any other folder."""
    if not (folder / MARKER).is_file() or (folder / LAST).is_file():
        return ""
    try:
        again = (folder / CONTINUE).read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        again = (
            command("data", "simulate-devices", "SRC", "--devices", "SPEC.json", "--to", folder) + ", as it was begun"
        )
    return f"{folder} is a simulated set that is not finished; go on with: {again}"
