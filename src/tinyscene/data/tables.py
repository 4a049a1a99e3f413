"""Delimited lists of clips: a CSV or TSV with a class column and, where it has them, fold, device, city, recording."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError
from .dataset import Dataset, make_dataset

# Our name of each column, and the headers that other data sets use for it, most telling first.
HEADERS: dict[str, tuple[str, ...]] = {
    "file": ("filename", "file", "file_name", "path", "fname", "slice_file_name", "wav", "audio"),
    "label": ("scene_label", "category", "label", "class", "class_name", "scene", "target_name"),
    "fold": ("fold", "split"),
    "device": ("device", "source_label", "device_id"),
    "city": ("city",),
    "recording": ("recording", "src_file", "source", "identifier", "location", "fsid", "session"),
}


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """(headers, rows) of a delimited text file; the delimiter is found from the header line.

    Raises:
        DataError: no such file, no text, or a row that is longer or shorter than the header.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a text table: {error}.") from None
    first = text.partition("\n")[0]
    if not first.strip():
        raise DataError(f"{path} is empty; a header line and one line a clip are needed.")
    reader = csv.reader(io.StringIO(text), delimiter=max("\t,;", key=first.count))
    rows = []
    try:
        headers = [header.strip() for header in next(reader)]
        for line in reader:
            cells = [cell.strip() for cell in line]
            if not any(cells):
                continue  # blank, or what spreadsheets leave below the last row
            if len(cells) != len(headers):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(headers)} columns are needed, {len(cells)} came."
                )
            rows.append(dict(zip(headers, cells, strict=True)))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}.") from None
    return headers, rows


def find_columns(path: Path, headers: list[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Our column names -> headers of this table. `wanted` names headers that the user chose.

    Raises:
        DataError: a chosen header is not there, or no header says which file or which class.
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
    for column in ("file", "label"):
        if column not in found:
            raise DataError(
                f"{path} has no {column} column: one of {', '.join(HEADERS[column])} is looked for, its columns are "
                f"{', '.join(headers)}. Name it with --column {column}=HEADER."
            )
    return found


def open_table(path: Path, wanted: Mapping[str, str] | None = None) -> Dataset:
    """The data set that a CSV or TSV lists; file paths are relative to the folder it lies in."""
    headers, rows = read_table(path)
    columns = find_columns(path, headers, wanted or {})
    cells = {column: [row[header] for row in rows] for column, header in columns.items()}
    return make_dataset(
        name=path.parent.name if path.stem == "meta" else path.stem,
        root=path.parent,
        files=cells["file"],
        labels=cells["label"],
        fold=cells.get("fold"),
        device=cells.get("device"),
        city=cells.get("city"),
        recording=cells.get("recording"),
    )
