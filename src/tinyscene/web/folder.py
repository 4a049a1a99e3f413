"""The page as a folder for any static host: whole, or not there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import OutputError
from ..files import make_folder

LIST = "tinyscene-web.json"  # what such a folder holds, so that it is known again


def write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Write `files` as `folder`, in place of an older page.

    Raises OutputError when the folder holds anything that no `write_folder` put there, or cannot be written; what was
    there then stays as it was.
    """
    foreign = _foreign(folder)
    if foreign:
        raise OutputError(
            f"{folder} holds {foreign}, which is not of such a page; a new or empty folder is taken, or one that "
            "--export has written. Name another."
        )
    make_folder(folder.parent, "Name another folder.")
    whole = folder.resolve()
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{whole.name}.", dir=whole.parent))
    except OSError as error:
        raise _cannot(folder, error) from None
    try:
        page = made / "new"
        for name, data in {**files, LIST: json.dumps({"files": sorted(files)}, indent=1).encode()}.items():
            (page / name).parent.mkdir(parents=True, exist_ok=True)
            (page / name).write_bytes(data)
        if whole.is_dir():
            os.replace(whole, made / "old")
        try:
            os.replace(page, whole)
        except OSError:
            if (made / "old").exists():
                os.replace(made / "old", whole)
            raise
    except OSError as error:
        raise _cannot(folder, error) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _foreign(folder: Path) -> str:
    """The first thing in a folder that is not of a page written here; '' if there is none."""
    if not os.path.lexists(folder):
        return ""
    if not folder.is_dir():
        return "a file, or a link to nothing," if folder.is_symlink() else "a file's name"
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))["files"]
        own = {LIST, *map(str, listed)}
    except (OSError, ValueError, KeyError, TypeError):
        own = set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not (path.is_dir() and not path.is_symlink()) and name not in own:
            return name
    return ""


def _cannot(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"the folder {folder} cannot be written: {error.strerror or error}. Free some room or choose another place."
    )
