"""The folder of a run: what was run (run.json), a folder a stage, the model files, the report."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import DataError, ModelError, OutputError, SettingError, command
from ..files import write_whole

RECORD = "run.json"
FORMAT = 1


@dataclass(frozen=True)
class RunRecord:
    """All that is needed to do the run again, or to go on with it."""

    system: str  # a published system's name, or system.py beside this record
    data: str
    seed: int
    fold: str | None = None
    test_share: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    epochs_scale: float = 1.0
    robust: bool = False
    responses: str | None = None  # folder of device responses
    whole: bool = False
    teacher: str | None = None  # run or file whose answers are learned from
    skip_bad: bool = False
    left_out: tuple[str, ...] = ()  # clips that could not be decoded, with skip_bad
    added: tuple[Mapping[str, str], ...] = ()  # stages that `compress --to` added: kind, name, after
    compress_settings: Mapping[str, str] = field(default_factory=dict)  # as settings, of compressing stages
    classes: tuple[str, ...] = ()
    clips: Mapping[str, Any] = field(default_factory=dict)  # which train and which test: see `told_clips`
    created: str = ""
    command: str = ""
    machine: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> dict[str, Any]:
        """What a resumed run must not change."""
        own = {"left_out", "added", "compress_settings", "classes", "clips"}
        own |= {"created", "command", "machine", "versions"}
        keys = [item.name for item in fields(self) if item.name not in own]
        return {key: getattr(self, key) for key in keys}


def start_run(folder: Path, record: RunRecord, resume: bool, system_source: Path | None = None) -> None:
    """Make the folder and write its record; `system_source` is the user's own system file, kept as system.py.

    Raises:
        OutputError: the folder holds something already (without resume), or cannot be written.
        SettingError: resume with other settings than the run was started with.
        DataError: resume with other clips.
    """
    if resume and (folder / RECORD).is_file():
        old = open_run(folder)
        for key, value in record.chosen.items():
            if old.chosen[key] != value:
                raise SettingError(
                    f"{folder} was started with {key} {old.chosen[key]!r}, {value!r} came; "
                    "resume with the same settings or choose another --out."
                )
        check_clips(old, record.clips)
        return
    begun = folder.is_file() or (folder.is_dir() and {path.name for path in folder.iterdir()} - {RECORD, "system.py"})
    if begun:  # a record alone is of a run that failed before its first step
        hint = (
            "continue it with --resume, or choose another --out"
            if (folder / RECORD).is_file()
            else "choose another --out"
        )
        raise OutputError(f"{folder} exists already; {hint}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if system_source is not None:
            (folder / "system.py").write_bytes(system_source.read_bytes())
        write_record(folder, record)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}. Choose another --out.") from None


def told_clips(train: Iterable[str], test: Iterable[str]) -> dict[str, Any]:
    """What a record holds of the clips that train and of those that test: how many, and a hash of their names."""
    own = {"train": sorted(map(str, train)), "test": sorted(map(str, test))}
    return {part: len(files) for part, files in own.items()} | {
        "sha256": hashlib.sha256(json.dumps(own).encode()).hexdigest()
    }


def check_clips(record: RunRecord, now: Mapping[str, Any]) -> None:
    """DataError where the data are parted otherwise than when the run began: clips that trained would test."""
    then = record.clips
    if not then or not now or then["sha256"] == now["sha256"]:
        return
    raise DataError(
        f"{record.data} holds other clips than when the run began: {then['train']:,} to train and {then['test']:,} to "
        f"test then, {now['train']:,} and {now['test']:,} now. A test part drawn anew would hold clips that trained. "
        "Put the clips back as they were, or train anew; what a model file says of any clips: "
        + command("predict", "MODEL", "--data", "DIR")
    )


def open_run(folder: Path) -> RunRecord:
    """The record of a run.

    Raises:
        ModelError: no run there, or its record cannot be read.
    """
    path = folder / RECORD
    if not path.is_file():
        raise ModelError(
            f"{folder} is no run folder (it has no {RECORD}); make one with: "
            + command("train", "SYSTEM", "--data", "DIR", "--out", folder)
        )
    try:
        facts = json.loads(path.read_text())
        if facts.pop("format") != FORMAT:
            raise ModelError(f"{path} was written by another version of tinyscene; use that version.")
        if not isinstance(old := facts.get("robust", False), bool):  # it held the folder, before `responses` did
            facts |= {"robust": old is not None, "responses": old or None}
        if clips := facts.get("clips"):
            facts["clips"] = {"train": int(clips["train"]), "test": int(clips["test"]), "sha256": str(clips["sha256"])}
        lists = {key: tuple(facts.get(key, ())) for key in ("classes", "left_out", "added")}
        return RunRecord(**facts | lists)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path} cannot be read ({error}); it is cut or was changed.") from None


def write_record(folder: Path, record: RunRecord) -> None:
    """Put `record` in the place of the one in the run's folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_json(folder / RECORD, {"format": FORMAT, **asdict(record)})


def write_json(path: Path, content: Any) -> None:
    """Write as indented JSON, whole or not at all."""
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def circumstances() -> dict[str, Any]:
    """When, by what command, on what machine and with which versions."""
    versions = {"python": platform.python_version()}
    for name in ("tinyscene", "torch", "lightning", "torchao", "onnx", "onnxruntime", "numpy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(*sys.argv[1:]),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
        "versions": versions,
    }
