"""System output: one row a file, streamed out and checked as a stream, so that 118,800 rows need no memory."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from ..errors import DataError, OutputError
from ..evaluate.predictions import COLUMNS
from .problems import Problems, printable

SUM_TOLERANCE = 1e-3
LONGEST = 10_000  # letters of a line; a file may be one endless line

Row = tuple[str, Sequence[float]]


def read_rows(path: Path, classes: Sequence[str]) -> Iterator[Row]:
    """(file, probabilities in the order of `classes`) of each line of a predictions CSV of ours, one at a time.

    Raises:
        DataError: no such file, other columns or classes, or a row that cannot be read, with its line.
    """
    try:
        stream = path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise DataError(f"the predictions {path} cannot be read: {error.strerror}.") from None
    with stream:
        reader = csv.reader(stream, strict=True)  # a quote that is never closed is told, and not the rest of the file
        header = tuple(_next_row(reader, path) or ())
        if header[: len(COLUMNS)] != COLUMNS or sorted(header[len(COLUMNS) :]) != sorted(classes):
            raise DataError(
                f"{path} must have the columns {','.join((*COLUMNS, *classes))}, as `tinyscene evaluate` writes them; "
                f"its first line is {printable(','.join(header)[:200]) or 'empty'}."
            )
        places = [header.index(name, len(COLUMNS)) for name in classes]
        while (cells := _next_row(reader, path)) is not None:
            if len(cells) != len(header):
                raise DataError(f"{path}, line {reader.line_num}: {len(header)} columns are needed, {len(cells)} came.")
            try:
                yield cells[0], [float(cells[place]) for place in places]
            except ValueError as error:
                raise DataError(f"{path}, line {reader.line_num}: a probability is no number ({error}).") from None


def _next_row(reader: Any, path: Path) -> list[str] | None:
    """The next row of a csv.reader, None after the last."""
    begin = reader.line_num + 1
    try:
        return next(reader, None)
    except csv.Error as error:
        raise DataError(
            f'{path}, line {begin}: no row of a CSV ({error}); is there a stray quote (")? Remove it, or write the '
            "file anew: tinyscene predict"
        ) from None


def output_lines(rows: Iterable[Row], classes: Sequence[str]) -> Iterator[str]:
    """The lines of an output file, header first; the label is the first of the most probable classes.

    Numbers have nine significant digits, which is float32 in full.
    """
    number = "\t".join(["%.9g"] * len(classes))
    yield "\t".join(("filename", "scene_label", *classes)) + "\n"
    for name, probabilities in rows:
        label = classes[max(range(len(classes)), key=probabilities.__getitem__)]
        yield f"{name}\t{label}\t{number % tuple(probabilities)}\n"


def write_output(path: Path, rows: Iterable[Row], classes: Sequence[str], n_rows: int | None = None) -> int:
    """Write an output file whole or not at all; returns its number of rows. `n_rows` is what the edition asks for.

    Raises:
        DataError: every problem that `check_output` finds; nothing is written.
        OutputError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            count = 0

            def written() -> Iterator[str]:
                nonlocal count
                for line in output_lines(rows, classes):
                    stream.write(line)
                    count += 1
                    yield line

            refuse(path.name, check_output(written(), classes, n_rows))
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Choose another place.") from None
    finally:
        temporary.unlink(missing_ok=True)
    return count - 1


def refuse(what: str, problems: Sequence[str]) -> None:
    """DataError that lists all problems, if there are any."""
    if problems:
        raise DataError(f"{what} cannot be submitted:\n  " + "\n  ".join(problems))


def check_output(lines: Iterable[str], classes: Sequence[str], n_rows: int | None = None) -> list[str]:
    """Every problem of an output file, with line numbers: the first 20, then a count.

    Refuses what the official validators refuse (columns, width of rows, .wav files named by whole numbers in range, no
    file twice, known labels, numbers, the exact count) and also another order of columns, probabilities outside 0..1,
    rows that do not sum to 1 within 1e-3, a label that is not the most probable class, quotes, and what is no UTF-8
    (bytes that came as surrogates). `n_rows` None: any count.
    """
    problems = Problems()
    columns = ("filename", "scene_label", *classes)
    index = {name: i for i, name in enumerate(classes)}
    seen: set[int] = set()
    width, n = len(columns), 0
    rows = iter(lines)
    header = next(rows, "").rstrip("\r\n")
    if header.split("\t") != list(columns):
        came = _text_problem(header) or f"{header[:200] or 'nothing'} came"
        return [f"line 1: the columns must be {' '.join(columns)}, parted by tabs; {came}"]
    for n, line in enumerate(rows, start=1):
        cells = line.rstrip("\r\n").split("\t")
        wrong = _text_problem(line)
        if wrong or len(cells) != width:
            came = len(cells) if line.strip() else 0
            problems.add(f"line {n + 1}: {wrong or f'{width} columns are needed, {came} came'}")
            continue
        number, wrong = _file_number(cells[0], n_rows)
        if number in seen:
            wrong = f"the file {cells[0]} stands twice"
        elif number is not None:
            seen.add(number)
        for problem in (wrong, _row_problem(cells[1], cells[2:], index)):
            if problem:
                problems.add(f"line {n + 1}: {problem}")
    if n_rows is not None and n != n_rows:
        problems.add(f"{n_rows:,} rows are needed, {n:,} came")
    elif n == 0:
        problems.add("there is no row")
    elif n_rows is None and seen and max(seen) >= n:
        problems.add(f"{n:,} files must be numbered 0 to {n - 1:,}; the highest number is {max(seen):,}")
    return problems.lines


def bounded_lines(stream: TextIO) -> Iterator[str]:
    """The lines of an output file; one without end comes in pieces, each of which is then a problem."""
    return iter(lambda: stream.readline(LONGEST), "")


def _text_problem(line: str) -> str:
    """What no reader of tab-separated text should meet."""
    if '"' in line:
        return f'a quote (") stands in it; output files have none: {line.strip()[:120]}'
    if line.isascii():
        return ""
    if line.startswith("\ufeff"):
        return "a byte order mark (BOM) stands before it: save the file as UTF-8 without one"
    wild = next((letter for letter in line if "\ud800" <= letter <= "\udfff"), "")
    return f"the byte 0x{ord(wild) & 255:02x} is no UTF-8; save the file as UTF-8" if wild else ""


def _file_number(name: str, n_rows: int | None) -> tuple[int | None, str]:
    base = name.rpartition("/")[2]  # the official check leaves folders aside: audio/3.wav is 3.wav
    stem = base.removesuffix(".wav")
    if stem == base:
        return None, f"'{name}' must end in .wav"
    if not (stem.isascii() and stem.isdecimal() and len(stem) <= 12):
        return None, f"'{name}' must be a whole number before .wav, as in the evaluation set"
    number = int(stem)
    if n_rows is not None and number >= n_rows:
        return number, f"'{name}' lies outside 0.wav to {n_rows - 1}.wav"
    return number, ""


def _row_problem(label: str, cells: Sequence[str], index: dict[str, int]) -> str:
    if label not in index:
        return f"the label '{label}' is none of {', '.join(index)}"
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return f"a probability is no number: {' '.join(cells)[:120]}"
    top = max(values)
    if not (min(values) >= 0 and top <= 1 and abs(sum(values) - 1) <= SUM_TOLERANCE):  # NaN fails one of them
        if all(0 <= value <= 1 for value in values):
            return f"the probabilities sum to {sum(values):.6g}; 1 within {SUM_TOLERANCE:g} is needed"
        return f"a probability lies outside 0 to 1: {' '.join(cells)[:120]}"
    if values[index[label]] != top:
        return f"the label is {label}, the most probable class is {list(index)[values.index(top)]}"
    return ""
