"""What is wrong with a finished package: its zip, labels, files, outputs, meta files, and the limits of its year."""

from __future__ import annotations

import io
import json
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..evaluate.limits import check_limits
from .meta_check import check_meta, is_number
from .meta_yaml import MAX_BYTES, limit_counts, load_yaml
from .output_csv import check_output
from .problems import Problems
from .years import DEVICES_2025, Edition

MAX_FILES = 1_000
MAX_UNPACKED = 2_000_000_000  # bytes; five outputs of 135,730 rows are 130 MB


def check_package(path: Path, edition: Edition) -> list[str]:
    """Every problem of a package: of each file the first 20, then a count. An empty list: it can be sent.

    Raises:
        DataError: no such file.
    """
    if not path.is_file():
        raise DataError(f"the package {path} does not exist.")
    try:
        with zipfile.ZipFile(path) as package:
            problems = _zip_problems(package)
            if problems:
                return problems
            broken = package.testzip()
            return [f"{broken} is broken: its checksum differs"] if broken else _content_problems(package, edition)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        return [f"the zip cannot be read: {error}"]


def meta_problems(meta: Any, edition: Edition, label: str) -> list[str]:
    """What `check_meta` finds, or else the limits of the year that its counts exceed."""
    problems = check_meta(meta, edition, label)
    return problems or _limit_problems(limit_counts(meta, edition), edition)


def _limit_problems(counts: Mapping[str, Any], edition: Edition) -> list[str]:
    return [
        f"{row['value']:,.0f} {row['unit']} exceed the limit of {row['limit']:,}: {row['rule']}"
        for row in check_limits(counts)
        if row["year"] in edition.limits and row["ok"] is False
    ]


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
        team = next(iter(systems)).rpartition("_")[0]
        wanted = ["pyproject.toml", f"{team}/__init__.py", *(f"{team}/{label}.py" for label in systems)]
        names = set(package.namelist())
        missing = [f"inference/{name}" for name in wanted if f"inference/{name}" not in names]
        problems += [f"{name} is missing: the inference package" for name in missing]
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
            with package.open(place) as member, io.TextIOWrapper(member, "utf-8", newline="") as lines:
                problems += [f"{place}: {problem}" for problem in check_output(lines, edition.classes, edition.rows)]
        elif name == meta:
            problems += [f"{place}: {problem}" for problem in _meta_file_problems(package, place, edition, label)]
        elif name.endswith(".json"):
            problems += [f"{place}: {problem}" for problem in _json_problems(package, place, edition)]
        elif package.getinfo(place).file_size == 0:
            problems.append(f"{place} is empty")
    return problems


def _small(package: zipfile.ZipFile, name: str) -> bytes:
    with package.open(name) as member:
        return member.read(MAX_BYTES + 1)


def _meta_file_problems(package: zipfile.ZipFile, name: str, edition: Edition, label: str) -> list[str]:
    try:
        return meta_problems(load_yaml(_small(package, name), name.rpartition("/")[2]), edition, label)
    except DataError as error:
        return [str(error)]


def _json_problems(package: zipfile.ZipFile, name: str, edition: Edition) -> list[str]:
    try:
        content = json.loads(_small(package, name))
    except (ValueError, RecursionError) as error:
        return [f"no JSON: {error}"]
    if not isinstance(content, dict) or not content:
        return ["a JSON object is needed"]
    return _device_problems(content, edition) if name.endswith("complexity.json") else []


def _device_problems(content: Mapping[str, Any], edition: Edition) -> list[str]:
    """complexity.json: every device's model by itself, and the largest of them."""
    rows = content.get("per_device")
    if not isinstance(rows, Mapping):
        return ["per_device is missing"]
    problems = [f"per_device.{device} is missing" for device in DEVICES_2025 if device not in rows]
    for device, row in rows.items():
        if not (isinstance(row, Mapping) and all(is_number(row.get(key)) for key in ("MACs", "Params"))):
            problems.append(f"per_device.{device}: MACs and Params must be numbers")
            continue
        counts = {"macs_per_s": row["MACs"], "bytes": row["Params"]}
        problems += [f"per_device.{device}: {problem}" for problem in _limit_problems(counts, edition)]
    if not problems:
        for key in ("MACs", "Params"):
            largest = max(row[key] for row in rows.values())
            if content.get(f"max_{key}") != largest:
                problems.append(f"max_{key} is {content.get(f'max_{key}')}; the largest of the devices is {largest}")
    return problems
