"""Which reader a path is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import DataError
from .bad_rows import BadRows
from .dataset import Dataset
from .folders import SUFFIXES, open_files, open_folders
from .simulated_clips import unfinished
from .tables import HEADERS, dataset_of_table, open_table
from .tau import is_tau, open_tau
from .usable import compared_with_disk


def open_dataset(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    skip_bad: bool = False,
    on_disk: bool = True,
    fold: str | None = None,
    labelled: bool = True,
) -> Dataset:
    """The data set at `path`: a TAU set of any edition, ESC-50 or UrbanSound8K as published, a folder with meta.csv, a
    CSV, or a folder per class.

    columns: our column names (file, label, fold, device, city, recording, only) -> headers of a CSV.
    skip_bad: leave out rows that cannot be used and clips that are not on disk, and say so in the notes; without it
    they are an error that lists them. Audio files beside listed ones that are in no list are a note.
    on_disk: False reads the lists alone.
    labelled: False takes lists without classes too, and a folder of audio files; their targets are -1.
    fold: whose lists a TAU set's "train" and "test" come from.

    Raises:
        DataError: nothing there, a list that cannot be used, bad rows or missing clips.
    """
    path = Path(path)
    unknown = set(columns or ()) - set(HEADERS)
    if unknown:
        raise DataError(f"--column takes {', '.join(HEADERS)}; '{sorted(unknown)[0]}' came.")
    if not path.exists():
        raise DataError(f"the data set {path} does not exist.")
    if told := unfinished(path):
        raise DataError(told)
    bad = BadRows(skip_bad)
    dataset = _read(path, columns, bad, fold, labelled)
    notes = [*dataset.notes, *bad.told()]
    if on_disk:
        missing, unlisted = compared_with_disk(dataset.root, dataset.files.tolist(), SUFFIXES)
        if missing:
            names = [str(dataset.files[i]) for i in missing[:3]]
            shown = ", ".join(names) + (", ..." if len(missing) > 3 else "")
            text = f"{path} lists {len(dataset)} clips, {len(missing)} of them are not on disk: {shown}."
            if not skip_bad:
                raise DataError(f"{text} Get them, or give --skip-bad to go on without them.")
            if len(missing) == len(dataset):
                raise DataError(text)
            notes.append(f"{text} They were left out (--skip-bad).")
        if missing:
            dataset = dataset.take(np.delete(np.arange(len(dataset)), missing))
        if unlisted:
            shown = ", ".join(unlisted[:3]) + (", ..." if len(unlisted) > 3 else "")
            notes.append(f"{len(unlisted)} audio files beside the listed ones are in no list: {shown}.")
    return replace(dataset, notes=tuple(notes))


def _read(path: Path, columns: Mapping[str, str] | None, bad: BadRows, fold: str | None, labelled: bool) -> Dataset:
    if path.is_file():
        return open_table(path, columns, bad, labelled)
    if is_tau(path) and not columns:
        return open_tau(path, bad, fold)
    for known in PUBLISHED:
        if (path / known.listed).is_file():
            return dataset_of_table(path / known.listed, path, columns, bad, known.at, path.resolve().name, labelled)
    if (path / "meta.csv").is_file():
        return open_table(path / "meta.csv", columns, bad, labelled)
    return open_folders(path) if labelled else open_files(path)


@dataclass(frozen=True)
class Published:
    """How a published set lies on disk: its list, and the folder of the clips, with the fold put in."""

    listed: str
    at: str


# K. J. Piczak's ESC-50 (ESC-10 is in it: --column only=esc10); Salamon et al.'s UrbanSound8K.
PUBLISHED = (
    Published("meta/esc50.csv", "audio"),
    Published("metadata/UrbanSound8K.csv", "audio/fold{fold}"),
)
