"""Which rows of a list can be used, and which of the files it names are there."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from pathlib import Path, PurePosixPath

from .bad_rows import BadRows


def tidy(files: Sequence[str]) -> list[str]:
    """The names in their plain spelling, so that ./a.wav and a.wav are one clip."""
    joined = "\n" + "\n".join(files)
    if "./" not in joined and "//" not in joined:
        return list(files)
    return [os.path.normpath(file) if file else file for file in files]


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
    if _all_good(files, labels, classes):
        return list(range(len(files)))
    keep: list[int] = []
    seen: dict[str, int] = {}
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


def _all_good(files: Sequence[str], labels: Sequence[str] | None, classes: Container[str] | None) -> bool:
    """Whether nothing is wrong with any row, found without looking at each: lists are long, and mostly good."""
    joined = "\n" + "\n".join(files)
    if len(set(files)) < len(files) or any(mark in joined for mark in ("..", "\n/", "\n\\", "\n~", "\n\n")):
        return False
    told = set(labels) if labels is not None else set()
    return (
        bool(files) and joined[-1] != "\n" and "" not in told and (classes is None or all(t in classes for t in told))
    )


def compared_with_disk(root: Path, files: Sequence[str], suffixes: Container[str]) -> tuple[list[int], list[str]]:
    """Indices of files that are not on disk; audio files beside listed ones that are in no list, in order.

    Each folder is read once, not each file asked for.
    """
    there = {
        f"{folder}/{name}" if folder else name
        for folder in {file.rpartition("/")[0] for file in files}
        for name in _names(root / folder)
    }
    listed = set(files)
    if listed == there:
        return [], []
    unlisted = (file for file in there - listed if not PurePosixPath(file).name.startswith("."))
    missing = [i for i, file in enumerate(files) if file not in there] if listed - there else []
    return missing, sorted(file for file in unlisted if PurePosixPath(file).suffix.lower() in suffixes)


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not entry.is_dir()]
    except OSError:
        return []
