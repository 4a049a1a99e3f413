"""Which files are audio by their names, and all of them below a folder."""

from __future__ import annotations

import os
from typing import NamedTuple

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".m4a", ".aac", ".opus")


class AudioTree(NamedTuple):
    """What a walk below a folder met, each name relative to it, with '/' between its parts.

    files   names that end as audio does, whatever is in them, sorted by their parts
    links   links to folders, which are not entered: they may lead back
    closed  (folder, why) of those that could not be read
    """

    files: list[str]
    links: list[str]
    closed: list[tuple[str, str]]


def audio_tree(folder: str | os.PathLike[str], skip_hidden: bool = True) -> AudioTree:
    """Walk below `folder`, which may itself be a link. `skip_hidden`: pass over names that begin with a dot."""
    found = AudioTree([], [], [])
    pending = [("", True)]  # a stack, not recursion: trees may be deeper than Python's
    while pending:
        name, is_folder = pending.pop()
        if not is_folder:
            found.files.append(name)
            continue
        try:
            with os.scandir(os.path.join(folder, name)) as entries:
                inside = sorted((entry for entry in entries), key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            found.closed.append((name or ".", f"the folder cannot be read ({error.strerror})."))
            continue
        for entry in inside:
            if skip_hidden and entry.name.startswith("."):
                continue
            below = f"{name}/{entry.name}" if name else entry.name
            if entry.is_dir(follow_symlinks=False):
                pending.append((below, True))
            elif entry.is_symlink() and os.path.isdir(entry.path):
                found.links.append(below)
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                pending.append((below, False))
    return found
