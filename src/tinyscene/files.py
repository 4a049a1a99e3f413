"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import OutputError


def write_whole(path: str | os.PathLike[str], data: bytes | memoryview | str) -> None:
    """Write under a temporary name in the same folder, then rename; text becomes UTF-8.

    Raises:
        OutputError: the folder is missing or cannot be written, or the disk is full; nothing is left behind, and an
            older file of that name stays as it was.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    # surrogateescape: names of files are bytes on Linux and need not be valid UTF-8
    content = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    try:
        with open(temporary, "wb") as file:
            file.write(content)
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}. Check that the folder exists, may be written and "
            f"has {len(content):,} bytes free, or choose another place."
        ) from None
    finally:
        if os.path.lexists(temporary):  # also after Ctrl-C
            os.remove(temporary)


def make_folder(folder: Path, advice: str) -> None:
    """Make it and those above it.

    Raises:
        OutputError: it cannot be made, or a file has its name; ends in `advice`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be made: {error.strerror}. {advice}") from None
