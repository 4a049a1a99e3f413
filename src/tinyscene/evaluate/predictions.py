"""Predictions: what a system said about each file, beside what is known about the file. One CSV, exact round trip."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import write_whole

COLUMNS = ("file", "device", "city", "recording", "label", "predicted")
UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities of n files.

    classes        names in the order of the probability columns, each once
    probabilities  (n, class) float64, finite and >= 0; rows need not sum to 1, the metrics renormalise them
    target         (n,) int64 index into `classes`; -1 where no label is known (challenge evaluation sets)
    files, devices, cities, recordings
                   n strings each, '' = unknown; an empty sequence stands for n times ''.
                   Clips of one recording share its name: confidence intervals resample recordings.

    Raises DataError for anything else.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    target: NDArray[np.int64]
    files: Sequence[str] = ()
    devices: Sequence[str] = ()
    cities: Sequence[str] = ()
    recordings: Sequence[str] = ()

    def __post_init__(self) -> None:
        probabilities = np.asarray(self.probabilities, dtype=np.float64)
        target = np.asarray(self.target)
        if target.size and not np.issubdtype(target.dtype, np.integer):
            raise DataError(f"Predictions.target takes class indices (integers); got {target.dtype}")
        target = target.astype(np.int64)
        classes = tuple(self.classes)
        if not classes or len(set(classes)) < len(classes):
            raise DataError(f"Predictions.classes takes one or more different names; got {list(classes)}")
        if probabilities.ndim != 2 or probabilities.shape[1] != len(classes):
            raise DataError(
                f"Predictions.probabilities takes (n, {len(classes)}) for {len(classes)} classes; "
                f"got shape {probabilities.shape}"
            )
        n = len(probabilities)
        if target.shape != (n,):
            raise DataError(f"Predictions.target takes one index for each of {n} files; got shape {target.shape}")
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "probabilities", probabilities)
        object.__setattr__(self, "target", target)
        for field in ("files", "devices", "cities", "recordings"):
            values = tuple(getattr(self, field)) or ("",) * n
            if len(values) != n:
                raise DataError(f"Predictions.{field} takes one string for each of {n} files; got {len(values)}")
            object.__setattr__(self, field, values)
        good = np.isfinite(probabilities).all(axis=1) & (probabilities >= 0).all(axis=1)
        if not good.all():
            row = int(np.argmin(good))
            raise DataError(
                f"Predictions.probabilities takes finite numbers >= 0; row {row} ({self.files[row] or 'no file name'}) "
                f"has {probabilities[row].tolist()}. Did the training diverge?"
            )
        if n and (target.min() < UNLABELLED or target.max() >= len(classes)):
            raise DataError(
                f"Predictions.target takes 0..{len(classes) - 1}, or {UNLABELLED} for no label; "
                f"got {int(target.min())}..{int(target.max())}"
            )

    def __len__(self) -> int:
        return len(self.target)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) index of the most probable class; the first one on a tie."""
        return np.argmax(self.probabilities, axis=1).astype(np.int64)

    def write_csv(self, path: str | Path) -> None:
        """One line per file; floats in full, so reading gives back the same bits. Whole file or none: OutputError."""
        names = (*self.classes, "")  # index -1 gives '', the label of an unlabelled file
        known = zip(self.files, self.devices, self.cities, self.recordings, strict=True)
        rows = zip(known, self.target.tolist(), self.predicted.tolist(), self.probabilities.tolist(), strict=True)
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*COLUMNS, *self.classes))
        for about, target, predicted, probabilities in rows:
            writer.writerow((*about, names[target], names[predicted], *probabilities))
        write_whole(path, stream.getvalue())

    @classmethod
    def read_csv(cls, path: str | Path) -> Predictions:
        """Reads what `write_csv` wrote; the column `predicted` is for people and is derived anew. DataError."""
        path = Path(path)
        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
                lines = list(csv.reader(stream))
        except (OSError, csv.Error) as error:
            raise DataError(f"cannot read predictions from {path}: {error}") from error
        header = tuple(lines[0]) if lines else ()
        if header[: len(COLUMNS)] != COLUMNS or len(header) == len(COLUMNS):
            raise DataError(
                f"{path} is no predictions file: its first line must be {','.join(COLUMNS)} and one column per class; "
                f"got {','.join(header)[:200] or 'nothing'}"
            )
        classes = header[len(COLUMNS) :]
        index = {"": UNLABELLED} | {name: i for i, name in enumerate(classes)}
        targets: list[int] = []
        probabilities: list[list[float]] = []
        for number, line in enumerate(lines[1:], start=2):
            if len(line) != len(header):
                raise DataError(f"{path}, row {number}: {len(header)} columns expected, got {len(line)}")
            if line[4] not in index:
                raise DataError(f"{path}, row {number}: label '{line[4]}' is none of {', '.join(classes)}")
            targets.append(index[line[4]])
            try:
                probabilities.append([float(text) for text in line[len(COLUMNS) :]])
            except ValueError as error:
                raise DataError(f"{path}, row {number}: a probability is no number ({error})") from error
        body = lines[1:]
        return cls(
            classes=classes,
            probabilities=np.array(probabilities, dtype=np.float64).reshape(len(body), len(classes)),
            target=np.array(targets, dtype=np.int64),
            files=[line[0] for line in body],
            devices=[line[1] for line in body],
            cities=[line[2] for line in body],
            recordings=[line[3] for line in body],
        )
