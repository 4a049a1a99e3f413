"""Zip archives unpacked so that nothing leaves the folder and no partial file looks whole."""

from __future__ import annotations

import errno
import lzma
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from threading import Event, get_ident

from ..errors import DataError, OutputError
from .fetch import Stopped

_PIECE = 1 << 20
_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # bytes that file systems take
# What zipfile raises on archives whose bytes are not what they say.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, NotImplementedError)


class Damaged(DataError):
    """An archive whose bytes are wrong; another copy may be good."""


def unpack(archive: Path, folder: Path, stop: Event) -> dict[str, int]:
    """Every file of the archive into `folder`, and how many bytes each has, by path below it.

    A first level with the folder's own name is left out, as the TAU archives have it. Each file is written under
    another name and renamed when it is whole and its CRC agrees. The archive and the folders that it names are looked
    through before anything is written; nothing is written through a link.

    Raises:
        Damaged: not a zip, or damaged.
        DataError: with a member that would lie outside the folder, is a link or is encrypted, whose
            name is too long or is another member's folder; or a link or file is where a folder of it has to be.
        OutputError: the disk has no room for what the archive announces.
        Stopped: `stop` was set.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(archive, opened, folder)
            _check_places(archive, folder, members)
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
    except _DAMAGED as error:
        raise Damaged(f"{archive} is damaged or no zip archive: {error}.") from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # bz2's words, and a place before the archive's beginning
            raise
        raise Damaged(f"{archive} is damaged: {error}.") from None
    return {name: info.file_size for name, info in members.items()}


def _members(archive: Path, opened: zipfile.ZipFile, folder: Path) -> dict[str, zipfile.ZipInfo]:
    """The files by path below the folder; refuses the archive if a single one is not to be trusted."""
    members: dict[str, zipfile.ZipInfo] = {}
    bad: list[str] = []
    long: list[str] = []
    base = len(os.fsencode(os.path.abspath(folder)))
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
            parts = path.parts[1:] if path.parts and path.parts[0] == folder.name else path.parts
            name = "/".join(parts)
            length = len(name.encode("utf-8", "surrogateescape"))
            if base + 1 + length > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in parts):
                long.append(info.orig_filename)
            elif parts:
                members[name] = info
    folders = {str(parent) for name in members for parent in PurePosixPath(name).parents}
    for names, why in (
        (bad, "outside the folder, a link or encrypted"),
        (long, f"with a name of more than {_LONGEST_NAME} bytes or a path of more than {_LONGEST_PATH}"),
        ([name for name in members if name in folders], "a file and the folder of another member"),
    ):
        if names:
            raise _refused(archive, f"{len(names)} of its members, each {why}", names)
    return members


def _check_places(archive: Path, folder: Path, members: Iterable[str]) -> None:
    """Refuses what would be written through a link, into a file or over a folder."""
    parents = {parent for name in members for parent in PurePosixPath(name).parents} - {PurePosixPath()}
    links = sorted(str(parent) for parent in parents if (folder / parent).is_symlink())
    if links:
        raise _refused(
            archive, f"nothing is written through links, and {folder} has some in its way; move them away", links
        )
    files = sorted(
        str(parent) for parent in parents if os.path.lexists(folder / parent) and not (folder / parent).is_dir()
    )
    files += sorted(name for name in members if (folder / name).is_dir() and not (folder / name).is_symlink())
    if files:
        raise _refused(
            archive, f"{folder} has files where it has folders, or folders where it has files; move them away", files
        )


def _refused(archive: Path, why: str, names: list[str]) -> DataError:
    shown = ", ".join(repr(name if len(name) <= 80 else f"{name[:77]}...") for name in names[:3])
    return DataError(f"{archive} is refused, nothing was unpacked: {why}: {shown}{', ...' if len(names) > 3 else ''}.")


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
    # not made of the target's name, which may be as long as names can be
    temporary = target.with_name(f".unpack-{os.getpid()}-{get_ident()}")
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
