"""A folder per class: DIR/<class>/.../clip.wav."""

from __future__ import annotations

import re
from pathlib import Path

from ..audio.tree import SUFFIXES
from ..errors import DataError
from .dataset import Dataset, make_dataset, unlabelled_dataset

_ESC_NAME = re.compile(r"^(\d)-(\d+)-[A-Z]\b")  # fold - source recording - take


def open_folders(root: Path) -> Dataset:
    """One class a sub-folder. Deeper folders part recordings; so do ESC names; else each file is its own recording.

    Raises:
        DataError: no sub-folders, or none with audio files.
    """
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    clips = [(folder.name, path) for folder in folders for path in _audio(folder)]
    if not clips:
        raise DataError(
            f"{root} holds no data set: give a folder per class with audio files ({' '.join(SUFFIXES)}), "
            "a folder with a meta.csv, a CSV file, or a TAU development set."
        )
    notes = [
        f"the folder {folder.name} holds no audio files: it is no class"
        for folder in folders
        if folder.name not in {label for label, _ in clips}
    ]
    recordings, own = [], 0
    for label, path in clips:
        esc = _ESC_NAME.match(path.stem)
        nested = path.parent != root / label
        own += not (esc or nested)
        recordings.append(esc[2] if esc else str((path.parent if nested else path).relative_to(root)))
    if own:
        notes.append(
            f"{own} of {len(clips)} files say nothing of their source: each counts as its own recording. "
            "Put the files of one recording into a folder of their own, or list them in a CSV with a recording column."
        )
    return make_dataset(
        name=root.resolve().name,
        root=root,
        files=[path.relative_to(root).as_posix() for _, path in clips],
        labels=[label for label, _ in clips],
        recording=recordings,
        notes=tuple(notes),
    )


def open_files(root: Path) -> Dataset:
    """Every audio file below a folder, whatever it is: classes are not told.

    Raises:
        DataError: no audio files.
    """
    return unlabelled_dataset(root.resolve().name, root, (), [p.relative_to(root).as_posix() for p in _audio(root)])


def _audio(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
