"""Zip archives unpacked so that nothing leaves the folder and no partial file looks whole."""

from __future__ import annotations

import os
import re
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from threading import Event, get_ident

from ..errors import DataError, OutputError
from .fetch import Stopped

_PIECE = 1 << 20


def unpack(archive: Path, folder: Path, stop: Event) -> dict[str, int]:
    """Every file of the archive into `folder`, and how many bytes each has, by path below it.

    A first level with the folder's own name is left out, as the TAU archives have it. Each file is written under
    another name and renamed when it is whole and its CRC agrees. The archive is looked through before anything is
    written.

    Raises:
        DataError: not a zip, damaged, or with a member that would lie outside the folder, is a link or is encrypted.
        OutputError: the disk has no room for what the archive announces.
        Stopped: `stop` was set.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(archive, opened, folder.name)
            _check_room(archive, folder, sum(info.file_size for info in members.values()))
            made: set[Path] = set()
            for name, info in members.items():
                if stop.is_set():
                    raise Stopped
                target = folder / name
                if target.parent not in made:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    made.add(target.parent)
                _write(opened, info, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"{archive} is damaged or no zip archive: {error}.") from None
    return {name: info.file_size for name, info in members.items()}


def _members(archive: Path, opened: zipfile.ZipFile, first: str) -> dict[str, zipfile.ZipInfo]:
    """The files by path below the folder; refuses the archive if a single one is not to be trusted."""
    members: dict[str, zipfile.ZipInfo] = {}
    bad: list[str] = []
    for info in opened.infolist():
        path = PurePosixPath(info.orig_filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if (
            path.is_absolute()
            or ".." in path.parts
            or re.search(r"[\\\0]|^[A-Za-z]:", info.orig_filename)
            or kind not in (0, stat.S_IFREG, stat.S_IFDIR)
            or info.flag_bits & 1
        ):
            bad.append(info.orig_filename)
        elif not info.is_dir():
            parts = path.parts[1:] if path.parts[0] == first else path.parts
            if parts:
                members["/".join(parts)] = info
    if bad:
        shown = ", ".join(repr(name) for name in bad[:3]) + (", ..." if len(bad) > 3 else "")
        raise DataError(
            f"{archive} is refused, nothing was unpacked: {len(bad)} of its members would lie outside the folder, are "
            f"links or are encrypted: {shown}."
        )
    return members


def _check_room(archive: Path, folder: Path, announced: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if announced > free:
        raise OutputError(
            f"{archive.name} unpacks to {announced:,} bytes, {folder} has {free:,} free. Free some room; the archive "
            "is kept."
        )


def _write(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """zipfile reads no more than the announced size and compares the CRC at the end."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{get_ident()}")
    try:
        with opened.open(info) as source, open(temporary, "wb") as file:
            shutil.copyfileobj(source, file, _PIECE)
            written = file.tell()
        if written != info.file_size:
            raise zipfile.BadZipFile(f"{info.filename} has {written:,} of {info.file_size:,} bytes")
        os.replace(temporary, target)
    finally:
        if os.path.lexists(temporary):
            os.remove(temporary)
