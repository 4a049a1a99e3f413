"""Delimited lists of clips: a CSV or TSV with a class column and, where it has them, fold, device, city, recording."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .bad_rows import BadRows
from .dataset import Dataset, make_dataset, unlabelled_dataset
from .usable import tidy, usable_rows

# Our name of each column, and the headers that other data sets use for it, most telling first.
HEADERS: dict[str, tuple[str, ...]] = {
    "file": ("filename", "file", "file_name", "path", "fname", "slice_file_name", "wav", "audio"),
    "label": ("scene_label", "category", "label", "class", "class_name", "scene", "target_name"),
    "fold": ("fold", "split"),
    "device": ("device", "source_label", "device_id"),
    "city": ("city",),
    "recording": ("recording", "src_file", "source", "identifier", "location", "fsid", "session"),
    "only": (),  # rows whose cell says yes: --column only=esc10 takes ESC-10 out of ESC-50
}
YES = ("1", "true", "yes")


@dataclass(frozen=True)
class Table:
    """A delimited list, column by column; `lines` are the rows' line numbers in the file, 1 is the header."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    @property
    def headers(self) -> list[str]:
        """The columns' names, in the file's order."""
        return list(self.columns)


def read_table(path: Path, bad: BadRows) -> Table:
    """The columns of a delimited text file; the delimiter is found from the header line, line ends are LF or CRLF.

    Rows that are longer or shorter than the header go into `bad`; empty rows are passed over.

    Raises:
        DataError: no such file, no text, or quotes that never end.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist.") from None
    except UnicodeDecodeError:
        raise DataError(
            f"{path} cannot be read as a text table: it is not in UTF-8. Save it as CSV in UTF-8."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read as a text table: {error.strerror}.") from None
    first = text.partition("\n")[0]
    if not first.strip():
        raise DataError(f"{path} is empty; a header line and one line a clip are needed.")
    delimiter = max("\t,;", key=first.count)
    even = _even(path, text, delimiter)
    if even is not None:
        return _checked(even)
    rows = _quoted(path, text, delimiter) if '"' in text else _plain(text, delimiter)
    headers = [header.strip() for header in next(rows)[1]]
    width, kept, lines = len(headers), [], []
    for line, cells in rows:
        if len(cells) == width:
            kept.append(cells)
            lines.append(line)
        else:
            bad.add(path, line, f"{width} columns are needed, {len(cells)} came")
    columns = zip(*kept, strict=True) if kept else ([] for _ in headers)
    table = Table(path, {name: list(map(str.strip, column)) for name, column in zip(headers, columns)}, lines)  # noqa: B905
    return _checked(table, headers)


def _checked(table: Table, headers: Sequence[str] | None = None) -> Table:
    twice = [name for name, count in Counter(headers or table.headers).items() if count > 1]
    if twice:
        raise DataError(f"{table.path} has the column '{twice[0]}' more than once; name them apart.")
    return table


def _even(path: Path, text: str, delimiter: str) -> Table | None:
    """The table at once, if no cell is quoted or padded and each line has as many cells: the long lists of TAU."""
    lines = text.rstrip("\n").split("\n")
    width = lines[0].count(delimiter)
    if (
        '"' in text
        or " " in text
        or len(set(lines[0].split(delimiter))) <= width
        or any(line.count(delimiter) != width for line in lines)
        or not all(lines)
    ):
        return None
    if width and any(not line.strip(delimiter) for line in lines):
        return None
    headers = lines[0].split(delimiter)
    cells = delimiter.join(lines[1:]).split(delimiter) if len(lines) > 1 else []
    columns = {name: cells[i :: width + 1] for i, name in enumerate(headers)}
    return Table(path, columns, list(range(2, len(lines) + 1)))


def _plain(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of a list without quotes."""
    for number, line in enumerate(text.split("\n"), start=1):
        cells = line.rstrip("\r").split(delimiter)
        if line.strip(f"{delimiter} \t\r"):
            yield number, cells


def _quoted(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        why = "a quote is opened and never closed" if "end of data" in str(error) else str(error)
        raise DataError(f"{path}, line {reader.line_num}: {why}.") from None


def find_columns(
    path: Path, headers: list[str], wanted: Mapping[str, str], needed: Sequence[str] = ("file", "label")
) -> dict[str, str]:
    """Our column names -> headers of this table. `wanted` names headers that the user chose.

    Raises:
        DataError: a chosen header is not there, or no header is known for a column that is `needed`.
    """
    lower = {header.lower(): header for header in headers}
    found: dict[str, str] = {}
    for column, known in HEADERS.items():
        if column in wanted:
            if wanted[column] not in headers:
                raise DataError(f"{path} has no column '{wanted[column]}'; its columns are {', '.join(headers)}.")
            found[column] = wanted[column]
            continue
        match = next((lower[name] for name in known if name in lower), None)
        if match:
            found[column] = match
    for column in needed:
        if column not in found:
            raise DataError(
                f"{path} has no {column} column: one of {', '.join(HEADERS[column])} is looked for, its columns are "
                f"{', '.join(headers)}. Name it with --column {column}=HEADER."
            )
    return found


def open_table(
    path: Path, wanted: Mapping[str, str] | None = None, bad: BadRows | None = None, labelled: bool = True
) -> Dataset:
    """The data set that a CSV or TSV lists; file paths are relative to the folder it lies in."""
    return dataset_of_table(path, path.parent, wanted, bad or BadRows(), labelled=labelled)


def dataset_of_table(
    path: Path,
    root: Path,
    wanted: Mapping[str, str] | None,
    bad: BadRows,
    at: str = "",
    name: str = "",
    labelled: bool = True,
) -> Dataset:
    """The data set of a list whose files lie below `root`, in the folder `at` of it, "{fold}" put in.

    Without `labelled` a list that tells no class, or not of every clip, will do.
    """
    table = read_table(path, bad)
    columns = find_columns(path, table.headers, wanted or {}, ("file", "label") if labelled else ("file",))
    cells = {column: table.columns[header] for column, header in columns.items()}
    lines = table.lines
    if "only" in cells:
        chosen = [i for i, cell in enumerate(cells["only"]) if cell.lower() in YES]
        if not chosen:
            raise DataError(f"{path}: no row says yes in the column '{columns['only']}'.")
        cells = {column: [values[i] for i in chosen] for column, values in cells.items()}
        lines = [lines[i] for i in chosen]
    if at:
        folds = cells.get("fold") or [""] * len(lines)
        cells["file"] = [f"{at.format(fold=fold)}/{file}" for fold, file in zip(folds, cells["file"], strict=True)]
    cells["file"] = tidy(cells["file"])
    labels = cells.get("label")
    if not labelled and (labels is None or "" in labels):
        labels = None
    keep = usable_rows(path, root, cells["file"], labels, lines, bad)
    kept = cells if len(keep) == len(lines) else {key: [v[i] for i in keep] for key, v in cells.items()}
    if not kept["file"]:
        raise DataError(f"{path} lists no clips.")
    name = name or (path.parent.resolve().name if path.stem == "meta" else path.stem)
    if labels is None:
        return unlabelled_dataset(name, root, (), kept["file"], kept.get("device"))
    if labelled and len(set(kept["label"])) < 2:
        raise DataError(f"{path} has one class only ('{kept['label'][0]}'); a classifier takes two or more.")
    return make_dataset(
        name=name,
        root=root,
        files=kept["file"],
        labels=kept["label"],
        fold=kept.get("fold"),
        device=kept.get("device"),
        city=kept.get("city"),
        recording=kept.get("recording"),
    )
