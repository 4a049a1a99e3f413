"""Dataset: a table of clips. What every reader here makes, and all that the rest of the house knows of data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import DataError

COLUMNS = ("files", "target", "fold", "device", "city", "recording", "segment", "smallest_split")


@dataclass(frozen=True)
class Dataset:
    """One row a clip; columns are arrays of equal length, '' where a data set says nothing.

    `files` are paths relative to `root`, in the list's order. `target` indexes `classes`, -1 where no label is told.
    `recording` tells which clips come from one recording or location: such clips are never parted by a split.
    `segment` is equal for clips of the same moment, recorded by several devices. `smallest_split` is the smallest of
    the nested training splits of 2024 that a clip is in, in percent; 0 for none. `official_fold` names the fold whose
    lists say "train" and "test".
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    files: np.ndarray
    target: np.ndarray
    fold: np.ndarray
    device: np.ndarray
    city: np.ndarray
    recording: np.ndarray
    segment: np.ndarray
    smallest_split: np.ndarray
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    official_fold: str = "1"

    def __len__(self) -> int:
        return len(self.files)

    def has(self, column: str) -> bool:
        """Whether the data set says anything in this column (fold, device, city)."""
        return bool((getattr(self, column) != "").any())

    def take(self, index: np.ndarray) -> Dataset:
        """The rows at `index`, in that order."""
        return replace(self, **{name: getattr(self, name)[index] for name in COLUMNS})

    def paths(self) -> list[Path]:
        """Where each clip lies."""
        return [self.root / name for name in self.files]


def make_dataset(
    name: str,
    root: Path,
    files: Sequence[str],
    labels: Sequence[str],
    fold: Sequence[str] | None = None,
    device: Sequence[str] | None = None,
    city: Sequence[str] | None = None,
    recording: Sequence[str] | None = None,
    segment: Sequence[str] | None = None,
    smallest_split: Sequence[int] | None = None,
    synthetic: bool = False,
    notes: tuple[str, ...] = (),
    official_fold: str = "1",
) -> Dataset:
    """A Dataset from columns of text; classes are the labels in alphabetical order.

    A clip whose recording is not told ('') is a recording of its own.

    Raises:
        DataError: no clips, an empty label or one that cannot be printed, one class only, or a file listed twice.
    """
    if not files:
        raise DataError(f"{root} lists no clips.")
    if "" in labels:
        raise DataError(f"{root}: the clip {files[list(labels).index('')]} has no label.")
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        raise DataError(f"{root} has one class only ('{labels[0]}'); a classifier takes two or more.")
    odd = next((label for label in classes if not label.isprintable()), None)
    if odd is not None:
        raise DataError(f"{root}: the class {odd!r} has characters that cannot be printed. Give it another name.")
    twice = [file for file, count in Counter(files).items() if count > 1]
    if twice:
        raise DataError(f"{root} lists the clip {twice[0]} more than once.")
    index = {label: i for i, label in enumerate(classes)}
    blank = [""] * len(files)
    return Dataset(
        name=name,
        root=root,
        classes=classes,
        files=np.asarray(files, dtype=object),
        target=np.asarray([index[label] for label in labels], dtype=np.int64),
        fold=np.asarray(fold or blank, dtype=object),
        device=np.asarray(device or blank, dtype=object),
        city=np.asarray(city or blank, dtype=object),
        recording=np.asarray([own or file for own, file in zip(recording or blank, files, strict=True)], dtype=object),
        segment=np.asarray(segment or blank, dtype=object),
        smallest_split=np.asarray(smallest_split or [0] * len(files), dtype=np.int64),
        synthetic=synthetic,
        notes=notes,
        official_fold=official_fold,
    )


def unlabelled_dataset(
    name: str, root: Path, classes: tuple[str, ...], files: Sequence[str], device: Sequence[str] | None = None
) -> Dataset:
    """A Dataset of clips whose classes nobody tells: an evaluation set of the challenge.

    Raises:
        DataError: no clips.
    """
    if not files:
        raise DataError(f"{root} lists no clips.")
    blank = np.full(len(files), "", dtype=object)
    names = np.asarray(files, dtype=object)
    return Dataset(
        name=name,
        root=root,
        classes=classes,
        files=names,
        target=np.full(len(files), -1, dtype=np.int64),
        fold=blank,
        device=blank if device is None else np.asarray(device, dtype=object),
        city=blank,
        recording=names,
        segment=blank,
        smallest_split=np.zeros(len(files), dtype=np.int64),
    )
