"""What is wrong with a finished package: its zip, labels, files, outputs, meta files, and the limits of its year."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path
from typing import Any

from ..errors import DataError
from .check_2025 import problems_2025
from .meta_check import check_meta
from .meta_yaml import MAX_BYTES, limit_counts, limit_problems, load_yaml
from .output_csv import bounded_lines, check_output
from .problems import Problems
from .years import Edition

# What zipfile raises for a file that is cut, changed or packed in a way of its own
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, LZMAError, struct.error),
    *(NotImplementedError, RuntimeError, ValueError, EOFError, OSError),
)
MAX_FILES = 1_000
MAX_UNPACKED = 2_000_000_000  # bytes; five outputs of 135,730 rows are 130 MB


def check_package(path: Path, edition: Edition) -> list[str]:
    """Every problem of a package: of each file the first 20, then a count. An empty list: it can be sent.

    Raises:
        DataError: no such file.
    """
    if not path.is_file():
        raise DataError(f"the package {path} {'is no file' if path.exists() else 'does not exist'}.")
    try:
        with zipfile.ZipFile(path) as package:
            problems = _zip_problems(package)
            broken = None if problems else package.testzip()
    except BROKEN as error:
        return [f"the zip cannot be read: {error}"]
    if problems or broken:
        return problems or [f"{broken} is broken: its checksum differs"]
    with zipfile.ZipFile(path) as package:
        return _content_problems(package, edition)


def meta_problems(meta: Any, edition: Edition, label: str) -> list[str]:
    """What `check_meta` finds, or else the limits of the year that its counts exceed."""
    problems = check_meta(meta, edition, label)
    return problems or limit_problems(limit_counts(meta, edition), edition)


def _zip_problems(package: zipfile.ZipFile) -> list[str]:
    """What no unpacker should be given."""
    problems, seen = Problems(), set()
    entries = package.infolist()
    for entry in entries:
        name = entry.filename
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            problems.add(f"'{name}' points outside the package")
        if stat.S_ISLNK(entry.external_attr >> 16):
            problems.add(f"'{name}' is a link; only files can be sent")
        if entry.flag_bits & 1:
            problems.add(f"'{name}' is encrypted")
        if name in seen:
            problems.add(f"'{name}' stands twice")
        seen.add(name)
    if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        problems.add(f"more than {MAX_FILES:,} files or {MAX_UNPACKED:,} bytes unpacked")
    return problems.lines


def _content_problems(package: zipfile.ZipFile, edition: Edition) -> list[str]:
    systems = _systems(package, edition)
    shape = edition.folder.format(root="<folder>", label="<label>")
    if not systems:
        return [f"no system is found: the files of {edition.year} lie in {shape}/"]
    problems = edition.check_labels(list(systems))
    for label, folder in systems.items():
        problems += _system_problems(package, edition, label, folder)
    if edition.extras:
        problems += problems_2025(package, edition, systems)
    return problems


def _systems(package: zipfile.ZipFile, edition: Edition) -> dict[str, str]:
    """Label -> folder, of every folder that lies where the edition's systems lie; papers are left aside."""
    shape = edition.folder.split("/")
    found: dict[str, str] = {}
    for name in sorted(package.namelist()):
        parts = name.split("/")
        if len(parts) != len(shape) + 1 or not parts[-1] or name.endswith(".pdf"):
            continue
        if all(want in (part, "{root}", "{label}") for want, part in zip(shape, parts, strict=False)):
            found.setdefault(parts[len(shape) - 1], "/".join(parts[:-1]))
    return found


def _system_problems(package: zipfile.ZipFile, edition: Edition, label: str, folder: str) -> list[str]:
    names = set(package.namelist())
    outputs = [name.format(label=label) for _, name in edition.outputs]
    meta = edition.meta.format(label=label)
    problems: list[str] = []
    for name in (*outputs, meta, *edition.extras):
        place = f"{folder}/{name}"
        if place not in names:
            problems.append(f"{place} is missing")
        elif name in outputs:
            with (
                package.open(place) as member,
                io.TextIOWrapper(member, "utf-8", "surrogateescape", newline="") as stream,
            ):
                found = check_output(bounded_lines(stream), edition.classes, edition.rows)
            problems += [f"{place}: {problem}" for problem in found]
        elif name == meta:
            problems += [f"{place}: {problem}" for problem in _meta_file_problems(package, place, edition, label)]
    return problems + [f"{folder}: {problem}" for problem in same_outputs(package, folder, edition, label)]


def same_outputs(package: zipfile.ZipFile, folder: str, edition: Edition, label: str) -> list[str]:
    """Outputs of different splits that are the same file, by the checksums of the zip: nobody trained twice to that."""
    first: dict[tuple[int, int], str] = {}
    problems = []
    for _, name in edition.outputs:
        file = name.format(label=label)
        if f"{folder}/{file}" not in package.NameToInfo:
            continue
        entry = package.getinfo(f"{folder}/{file}")
        other = first.setdefault((entry.CRC, entry.file_size), file)
        if other != file:
            problems.append(
                f"{file} is the same as {other}; each split has predictions of its own, of the network trained on it"
            )
    return problems


def _small(package: zipfile.ZipFile, name: str) -> bytes:
    with package.open(name) as member:
        return member.read(MAX_BYTES + 1)


def _meta_file_problems(package: zipfile.ZipFile, name: str, edition: Edition, label: str) -> list[str]:
    try:
        return meta_problems(load_yaml(_small(package, name), name.rpartition("/")[2]), edition, label)
    except DataError as error:
        return [str(error)]
