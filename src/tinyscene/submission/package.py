"""The zip of each year: every system's outputs and meta file in that year's layout, streamed, whole or not at all."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import OutputError
from .check_2025 import problems_2025
from .inference_2025 import Inference2025, inference_files
from .meta_yaml import meta_text
from .output_csv import check_output, output_lines, read_rows, refuse
from .package_check import meta_problems, same_outputs
from .years import Edition

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same systems give the same bytes


@dataclass(frozen=True)
class SystemEntry:
    """One system of a package.

    predictions   a predictions CSV of ours for each output of the edition, under '' where there is one
    complexity, test_accuracy, inference
                  2025 only: as `device_complexity` and `measured_accuracy` give them, and the network itself
    notes         what a reader of the meta file must know; comments at its head
    """

    label: str
    meta: Mapping[str, Any]
    predictions: Mapping[str, Path]
    complexity: Mapping[str, Any] = field(default_factory=dict)
    test_accuracy: Mapping[str, Any] = field(default_factory=dict)
    inference: Inference2025 | None = None
    notes: Sequence[str] = ()


def build_package(edition: Edition, systems: Sequence[SystemEntry], out: Path) -> list[str]:
    """Write the zip and return the names in it.

    Raises:
        DataError: every problem of labels, meta files, limits and outputs at once; nothing is written.
        OutputError: the folder cannot be written.
    """
    refuse(out.name, _entry_problems(edition, systems))
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    problems: list[str] = []
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as package:
            for system in systems:
                folder = edition.place(system.label)
                for split, name in edition.outputs:
                    place = f"{folder}/{name.format(label=system.label)}"
                    rows = read_rows(system.predictions[split], edition.classes)
                    lines = _streamed(package, place, output_lines(rows, edition.classes))
                    problems += [f"{place}: {p}" for p in check_output(lines, edition.classes, edition.rows)]
                for name, content in _small_files(edition, system):
                    _add(package, f"{folder}/{name}", content)
            networks = [system.inference for system in systems if system.inference is not None]
            for name, content in inference_files(networks).items() if networks else ():
                _add(package, f"inference/{name}", content)
            names = package.namelist()
        if not problems:
            with zipfile.ZipFile(temporary) as package:
                problems = _finished_problems(package, edition, [system.label for system in systems])
        refuse(out.name, problems)
        os.replace(temporary, out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}. Choose another --out.") from None
    finally:
        temporary.unlink(missing_ok=True)
    return names


def device_complexity(per_device: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """complexity.json of 2025 from (multiply-accumulates, bytes of parameters) of each device's model."""
    return {
        "per_device": {device: {"MACs": macs, "Params": size} for device, (macs, size) in per_device.items()},
        "max_MACs": max(macs for macs, _ in per_device.values()),
        "max_Params": max(size for _, size in per_device.values()),
    }


def measured_accuracy(measured: Mapping[str, Any]) -> dict[str, Any]:
    """test_accuracy.json of 2025 from the figures of evaluate.measure, in per cent."""
    split = {"Class_Wise_Accuracy": measured["per_class"], "Device_Wise_Accuracy": measured["per_device"]}
    return {
        "Overall_Test_Accuracy": round(100 * measured["accuracy"], 2),
        "Macro_Average_Accuracy": round(100 * measured["macro_accuracy"], 2),
    } | {key: {name: round(100 * row["accuracy"], 2) for name, row in rows.items()} for key, rows in split.items()}


def _entry_problems(edition: Edition, systems: Sequence[SystemEntry]) -> list[str]:
    problems = edition.check_labels([system.label for system in systems])
    for system in systems:
        problems += [f"{system.label}: {problem}" for problem in meta_problems(system.meta, edition, system.label)]
        missing = [split for split, _ in edition.outputs if split not in system.predictions]
        if missing:
            named = f" of split {', '.join(missing)}" if missing != [""] else ""
            problems.append(f"{system.label}: the predictions{named} are missing")
        if edition.extras and not (system.inference and system.complexity and system.test_accuracy):
            problems.append(f"{system.label}: {edition.year} takes network, complexity and test accuracy, too")
    return problems


def _finished_problems(package: zipfile.ZipFile, edition: Edition, labels: Sequence[str]) -> list[str]:
    """What the check would say of the files together."""
    folders = {label: edition.place(label) for label in labels}
    problems = [
        f"{folder}: {problem}"
        for label, folder in folders.items()
        for problem in same_outputs(package, folder, edition, label)
    ]
    return problems + (problems_2025(package, edition, folders) if edition.extras else [])


def _small_files(edition: Edition, system: SystemEntry) -> Iterator[tuple[str, bytes | str]]:
    yield edition.meta.format(label=system.label), meta_text(system.meta, edition, system.notes)
    if edition.extras and system.inference is not None:
        yield "complexity.json", json.dumps(system.complexity, indent=1) + "\n"
        yield "test_accuracy.json", json.dumps(system.test_accuracy, indent=1) + "\n"
        yield "model_state_dict.pt", system.inference.weights


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # the same on every system
    return entry


def _add(package: zipfile.ZipFile, name: str, content: bytes | str) -> None:
    package.writestr(_entry(name), content)


def _streamed(package: zipfile.ZipFile, name: str, lines: Iterable[str]) -> Iterator[str]:
    """Each line again, once it is in the zip."""
    with package.open(_entry(name), "w") as member:
        for line in lines:
            member.write(line.encode("utf-8", "surrogateescape"))
            yield line
