"""A teacher's logits, a row a clip, found again by file name: a CSV that `tinyscene predict` writes too."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.bad_rows import BadRows
from ..data.tables import read_table
from ..errors import DataError
from ..files import write_whole

ABOUT = ("device", "city", "recording", "label", "predicted")  # columns of predictions beside file and classes
FLOOR = 1e-15  # of a probability, before its logarithm
TOLERANCE = 1e-3  # of a sum of probabilities that were written with few digits


def write_teacher_logits(path: Path, classes: Sequence[str], files: Sequence[str], logits: np.ndarray) -> None:
    """The header file,CLASS,..., then a row a clip; whole or not at all."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("file", *classes))
    writer.writerows((file, *row) for file, row in zip(files, logits.tolist(), strict=True))
    write_whole(path, stream.getvalue())


def read_teacher_logits(path: Path, classes: Sequence[str], files: Sequence[str]) -> NDArray[np.float32]:
    """(file, class) logits of `files`; a table of probabilities, rows that sum to 1, gives their logarithms.

    Raises:
        DataError: no such table, other classes or another order of them, rows without numbers or of one clip twice,
            probabilities among logits, clips without a row.
    """
    bad = BadRows()
    table = read_table(path, bad)
    told = [name for name in table.headers if name in classes or name not in ("file", *ABOUT)]
    if "file" not in table.headers or told != list(classes):
        raise DataError(
            f"{path} must have the columns file, {', '.join(classes)} in this order (those of a predictions CSV may "
            f"stand between); it has {', '.join(table.headers)}."
        )
    rows = np.asarray([[_number(cell) for cell in table.columns[name]] for name in classes]).T
    for i in np.flatnonzero(~np.isfinite(rows).all(axis=1)):
        which = int(np.isfinite(rows[i]).argmin())
        came = table.columns[classes[which]][i]
        bad.add(path, table.lines[i], f"{classes[which]} takes a finite number, '{came}' came")
    place: dict[str, int] = {}
    for i, file in enumerate(table.columns["file"]):
        if place.setdefault(file, i) != i:
            bad.add(path, table.lines[i], f"{file} is in line {table.lines[place[file]]} already")
    try:
        bad.told()
    except DataError as error:  # there is no leaving out: a clip without its teacher cannot be learned from
        raise DataError(str(error).replace(", or give --skip-bad", "")) from None
    likely = (rows >= 0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1) < TOLERANCE)
    if likely.all():
        rows = np.log(rows.clip(FLOOR))
    elif likely.any():
        raise DataError(
            f"{path} has {likely.sum():,} rows that sum to 1 and {(~likely).sum():,} that do not, the first in line "
            f"{table.lines[int(likely.argmin())]}; give probabilities or logits throughout."
        )
    missing = [file for file in files if file not in place]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise DataError(
            f"{path} lacks {len(missing):,} of {len(files):,} training clips: {shown}. Give every training clip a row, "
            "under the name that the data set's list has."
        )
    return rows[[place[file] for file in files]].astype(np.float32)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
