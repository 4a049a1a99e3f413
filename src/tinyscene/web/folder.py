"""The page as a folder for any static host: whole, or not there."""

from __future__ import annotations

import errno
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
    """Write `files` as `folder`, in place of an older page; a folder that is there stays the same one, with its mode.

    Raises OutputError when the folder holds anything that no `write_folder` put there, or cannot be written; what was
    there then stays as it was.
    """
    try:
        foreign = _foreign(folder)
        there = folder.is_dir()
    except OSError as error:
        raise _cannot(folder, error) from None
    if foreign:
        raise OutputError(
            f"{folder} {foreign}; a new or empty folder is taken, or one that --export has written. Name another."
        )
    make_folder(folder.parent, "Name another folder.")
    whole = folder.resolve()
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{whole.name}.", dir=whole if there else whole.parent))
    except OSError as error:
        raise _cannot(folder, error) from None
    try:
        page = made / "new"
        for name, data in {**files, LIST: json.dumps({"files": sorted(files)}, indent=1).encode()}.items():
            (page / name).parent.mkdir(parents=True, exist_ok=True)
            (page / name).write_bytes(data)
        if there:
            _swap(page, whole, made)
        else:
            os.replace(page, whole)
    except OSError as error:
        raise _cannot(folder, error) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _swap(page: Path, whole: Path, made: Path) -> None:
    """What `whole` holds goes to made/old and what `page` holds comes there, or all is put back.

    The folder itself stays: a shell may stand in it, and it may be where a disk is mounted.
    """
    old = made / "old"
    old.mkdir()
    moves = [(path, old / path.name) for path in whole.iterdir() if path != made]
    moves += [(path, whole / path.name) for path in page.iterdir()]
    moved = []
    try:
        for source, target in moves:
            os.replace(source, target)
            moved.append((source, target))
    except BaseException:  # Ctrl-C too
        for source, target in reversed(moved):
            os.replace(target, source)
        raise


def _foreign(folder: Path) -> str:
    """What keeps a page from being written there, in words that go on from the folder's name; '' if nothing does."""
    if not os.path.lexists(folder):
        return ""
    if not folder.exists():
        return "is a link to nothing"
    if not folder.is_dir():
        return "is a file"
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))["files"]
        own = {LIST, *map(str, listed)}
    except (OSError, ValueError, KeyError, TypeError):
        own = set()
    tops = {name.partition("/")[0] for name in own}
    for top in sorted(folder.iterdir()):  # what is foreign is not walked: below a folder such as / lies too much
        known = top.name in tops and _is_folder(top)
        for path in sorted(top.rglob("*")) if known else [top]:
            name = path.relative_to(folder).as_posix()
            if name not in own and not (known and _is_folder(path)):
                return f"holds {name}, which is not of such a page"
    return ""


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _cannot(folder: Path, error: OSError) -> OutputError:
    advice = "Free some room or choose" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Choose"
    return OutputError(f"the folder {folder} cannot be written: {error.strerror or error}. {advice} another place.")
