"""Which reader a path is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError
from .dataset import Dataset
from .folders import open_folders
from .tables import HEADERS, open_table
from .tau import is_tau, open_tau


def open_dataset(path: str | Path, columns: Mapping[str, str] | None = None) -> Dataset:
    """The data set at `path`: a TAU development set, a folder with meta.csv, a CSV, or a folder per class.

    `columns` maps our column names (file, label, fold, device, city, recording) to the headers of a CSV. Clips
    that are listed but not on disk are an error that counts and names them.

    Raises:
        DataError: nothing there, or a list that cannot be used.
    """
    path = Path(path)
    unknown = set(columns or ()) - set(HEADERS)
    if unknown:
        raise DataError(f"--column takes {', '.join(HEADERS)}; '{sorted(unknown)[0]}' came.")
    if not path.exists():
        raise DataError(f"the data set {path} does not exist.")
    if path.is_file():
        dataset = open_table(path, columns)
    elif is_tau(path) and not columns:
        dataset = open_tau(path)
    elif (path / "meta.csv").is_file():
        dataset = open_table(path / "meta.csv", columns)
    else:
        dataset = open_folders(path)
    missing = [file for file, where in zip(dataset.files, dataset.paths(), strict=True) if not where.is_file()]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise DataError(f"{path} lists {len(dataset)} clips, {len(missing)} of them are not on disk: {shown}.")
    return dataset
