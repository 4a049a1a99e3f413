"""Which rows of a list can be used, and which of the files it names are there."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from pathlib import Path, PurePosixPath

from .bad_rows import BadRows


def usable_rows(
    path: Path,
    root: Path,
    files: Sequence[str],
    labels: Sequence[str] | None,
    lines: Sequence[int],
    bad: BadRows,
    classes: Container[str] | None = None,
) -> list[int]:
    """Indices of the rows that name a clip inside the set once, with a class; the others go into `bad`.

    `classes`: what a label may be; any word where None. `labels` None: the list has none.
    """
    keep, seen = [], {}
    inside = os.path.abspath(root) + os.sep
    for i, file in enumerate(files):
        if not file:
            bad.add(path, lines[i], "it names no file")
        elif file in seen:
            bad.add(path, lines[i], f"the clip {file} is listed again, first in line {seen[file]}")
        elif (".." in file or file[0] in "/\\~") and not os.path.abspath(root / file).startswith(inside):
            bad.add(path, lines[i], f"'{file}' lies outside the data set")
        elif labels is not None and not labels[i]:
            bad.add(path, lines[i], f"the clip {file} has no label")
        elif labels is not None and classes is not None and labels[i] not in classes:
            bad.add(path, lines[i], f"'{labels[i]}' is no class of this set")
        else:
            keep.append(i)
        seen.setdefault(file, lines[i])
    return keep


def missing_files(root: Path, files: Sequence[str]) -> list[int]:
    """Indices of the files that are not on disk; each folder is read once, not each file asked for."""
    there: dict[str, set[str]] = {}
    missing = []
    for i, file in enumerate(files):
        folder, _, name = file.rpartition("/")
        names = there.get(folder)
        if names is None:
            names = there[folder] = _names(root / folder)
        if name not in names:
            missing.append(i)
    return missing


def unlisted_files(root: Path, files: Sequence[str], suffixes: Container[str]) -> list[str]:
    """Audio files that lie beside listed ones and are in no list, in alphabetical order."""
    listed = set(files)
    folders = {file.rpartition("/")[0] for file in files}
    found = (
        f"{folder}/{name}" if folder else name
        for folder in folders
        for name in _names(root / folder)
        if PurePosixPath(name).suffix.lower() in suffixes and not name.startswith(".")
    )
    return sorted(file for file in found if file not in listed)


def _names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if not entry.is_dir()}
    except OSError:
        return set()
