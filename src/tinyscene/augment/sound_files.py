"""The audio files of a folder that a setting names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import SettingError, unknown

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".m4a", ".aac", ".wma", ".webm")


def sound_files(owner: str, folder: str, exclude: Sequence[str] = ()) -> tuple[Path, ...]:
    """The files of `folder` and its sub-folders, sorted, but for those named in `exclude` (names, no folders).

    Raises:
        SettingError: naming owner.folder when there is no such folder or no audio file in it, and owner.exclude when it
            names a file that is not there or all of them.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise SettingError(f"{owner}.folder takes a folder of audio files; {folder} is none. Check its name.")
    files = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not files:
        raise SettingError(f"{owner}.folder takes a folder of audio files ({' '.join(SUFFIXES)}); {folder} holds none.")
    names = {path.name for path in files}
    for name in exclude:
        if name not in names:
            raise unknown(f"{owner}.exclude: {folder}", "file", name, sorted(names))
    kept = tuple(path for path in files if path.name not in exclude)
    if not kept:
        raise SettingError(f"{owner}.exclude leaves none of the {len(files)} files of {folder}; leave some in.")
    return kept
