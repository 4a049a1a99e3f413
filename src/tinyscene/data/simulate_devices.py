"""A set in TAU layout, recorded by many devices, out of a set recorded by one: responses and compressors."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import decode_audio, mono, write_wav
from ..errors import AudioError, DataError, OutputError, SettingError
from ..files import make_folder, write_whole
from .dataset import Dataset
from .device_spec import DeviceSpec, SimulatedDevice, read_spec
from .open import open_dataset
from .simulated_clips import Row, SourceClip, fold_lists, source_clips
from .simulated_device import compressed, convolved, prepared_response

VERSION = 1  # raise it whenever the files of an unchanged spec would sound different
MARKER = "simulated.json"
BITS = (16, 24)
_LEAST_BYTES = 45  # of a wav file with one sample or more: a shorter one was lost with the power


def simulate_devices(
    source: Path,
    spec: Path | Mapping[str, Any],
    to: Path,
    bits: int = 24,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    responses: Path | None = None,
) -> Path:
    """Writes the set into `to`; what already lies there from a run of the same spec is kept.

    The names are <scene>-<city>-<location>-<segment>-<device>.wav: location is the clip's recording, segment its
    number in the source's list; source.csv leads back. The first training device is the clip as recorded (mono). Each
    fold K has evaluation_setup/foldK_train.csv, _test.csv and _evaluate.csv, as the spec says which devices train
    and test: `--fold K`. Without folds every clip appears on every device and meta.csv is the only list.

    Args:
        source: a set that `open_dataset` reads, of one device.
        spec: see `read_spec`; `responses` is the folder of its impulse responses, if they lie elsewhere.
        to: a folder that is missing, empty or holds this set, finished or not. The lists are written last.
        bits: 16 or 24, PCM without dither.
        workers: processes, one a core if None. The bytes do not depend on it. 1 stays in this process.
        progress: called with (files there, files in all).

    Raises:
        SettingError: a number or key out of range.
        DataError: a source with several devices, without labels or with clips that cannot be decoded; a missing
            response.
        OutputError: `to` holds something else or cannot be written; nothing is overwritten.
    """
    to = Path(to)
    if bits not in BITS:
        raise SettingError(f"simulate_devices' bits takes 16 or 24; {bits} came.")
    if workers is not None and workers < 1:
        raise SettingError(f"simulate_devices' workers takes 1 or more; {workers} came.")
    wanted = read_spec(spec if isinstance(spec, Mapping) else Path(spec), responses)
    dataset = open_dataset(source)
    clips = source_clips(dataset)
    folds = fold_lists(dataset.name, clips, wanted)
    every = tuple(dict.fromkeys((*wanted.train_devices, *wanted.test_devices)))
    # A clip is made on the devices that some list wants it on.
    needed: dict[str, set[str]] = {clip.source: set() if folds else set(every) for clip in clips}
    for train, test in folds.values():
        for clip, device in (*train, *test):
            needed[clip.source].add(device)
    made = [(clip, tuple(device for device in every if device in needed[clip.source])) for clip in clips]
    _claim(to, _recipe(dataset, wanted, bits))
    _write_audio(dataset, wanted, to, bits, made, workers or os.cpu_count() or 1, progress)
    _write_lists(to, made, folds)
    if dataset.synthetic:
        write_whole(to / "synthetic.json", json.dumps({"made_by": "tinyscene", "source": dataset.name}) + "\n")
    return to


# ---- the folder ----


def _recipe(dataset: Dataset, spec: DeviceSpec, bits: int) -> dict[str, Any]:
    """What decides the bytes of the set."""
    listing = hashlib.sha256()
    columns = zip(dataset.files, dataset.target, dataset.fold, dataset.city, dataset.recording, strict=True)
    for path, row in zip(dataset.paths(), columns, strict=True):
        listing.update(json.dumps([path.stat().st_size, *map(str, row)]).encode())
    devices = {}
    for name, device in spec.devices.items():
        digest = hashlib.sha256(device.response.read_bytes()).hexdigest()[:16]
        devices[name] = {**asdict(device), "response": device.response.name, "response_sha256": digest}
    return {
        "made_by": "tinyscene",
        "version": VERSION,
        "source": dataset.name,
        "clips": len(dataset),
        "source_sha256": listing.hexdigest()[:16],
        "bits": bits,
        "devices": devices,
        "train_devices": list(spec.train_devices),
        "test_devices": list(spec.test_devices),
        "training clip i also on": f"{list(spec.extras)}[i mod {len(spec.extras)}] where i mod {spec.every} == 0",
    }


def _claim(to: Path, recipe: dict[str, Any]) -> None:
    """Make the folder ours: the recipe stands in it before the first clip does, so that a cut run is known again."""
    make_folder(to, "Choose another --to.")
    marker = to / MARKER
    if marker.is_file():
        try:
            found = json.loads(marker.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        other = [key for key in recipe if not isinstance(found, dict) or found.get(key) != recipe[key]]
        if other:
            raise OutputError(
                f"{to} holds a simulated set with other {', '.join(other)}; it is left as it is. Choose another --to, "
                "or remove that folder first."
            )
    elif any(to.iterdir()):
        raise OutputError(f"{to} is not empty and holds no simulated set (no {MARKER}); choose another --to.")
    else:
        write_whole(marker, json.dumps(recipe, indent=2) + "\n")
    make_folder(to / "audio", "Choose another --to.")
    for half in (to / "audio").glob(".*.wav.*"):  # of a run that was killed
        half.unlink(missing_ok=True)


def _write_lists(to: Path, made: Sequence[tuple[SourceClip, Row]], folds: Mapping[str, tuple[Any, ...]]) -> None:
    head = ("filename", "scene_label", "identifier", "source_label")
    if folds:
        make_folder(to / "evaluation_setup", "Choose another --to.")
    for number, parts in folds.items():
        train, test = ([clip.row(device) for clip, device in part] for part in parts)
        setup = to / "evaluation_setup" / f"fold{number}"
        _write_table(Path(f"{setup}_train.csv"), [head[:2], *(row[:2] for row in train)])
        _write_table(Path(f"{setup}_test.csv"), [head[:1], *(row[:1] for row in test)])
        _write_table(Path(f"{setup}_evaluate.csv"), [head[:2], *(row[:2] for row in test)])
    sources = [(clip.stem, clip.source, clip.label, clip.fold) for clip, _ in made]
    _write_table(to / "source.csv", [("clip", "source", "scene_label", "fold"), *sources])
    write_whole(to / "README.md", _README)
    rows = [(*clip.row(device), clip.fold) for clip, devices in made for device in devices]
    _write_table(to / "meta.csv", [(*head, "fold"), *rows])  # last: with it the set is whole


def _write_table(path: Path, rows: Iterable[Row]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(rows)
    write_whole(path, text.getvalue())


# ---- sound ----


def _write_audio(
    dataset: Dataset,
    spec: DeviceSpec,
    to: Path,
    bits: int,
    made: Sequence[tuple[SourceClip, Row]],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    audio = to / "audio"
    there = {entry.name for entry in os.scandir(audio) if entry.stat().st_size >= _LEAST_BYTES}
    jobs, total = [], 0
    for clip, devices in made:
        total += len(devices)
        missing = [device for device in devices if Path(clip.file(device)).name not in there]
        if missing:
            targets = [(str(to / clip.file(device)), spec.devices.get(device)) for device in missing]
            jobs.append((str(dataset.root / clip.source), targets, bits))
    done = total - sum(len(targets) for _, targets, _ in jobs)
    bad = []
    if progress:
        progress(done, total)
    for count, error in _results(jobs, workers):
        done += count
        if error:
            bad.append(error)
        if progress:
            progress(done, total)
    if bad:
        raise DataError(
            f"{len(bad)} of {len(made)} clips of {dataset.name} cannot be used: {' '.join(sorted(bad)[:5])} "
            "The others are done: mend these and run the same command again."
        )


Job = tuple[str, list[tuple[str, SimulatedDevice | None]], int]


def _results(jobs: Sequence[Job], workers: int) -> Iterator[tuple[int, str]]:
    if workers == 1 or len(jobs) < 2:
        yield from map(_record, jobs)
        return
    # spawn: a fork would copy the locks of torch's and soxr's threads in whatever state they are
    pool = ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context("spawn"), _follow_parent)
    try:
        yield from (future.result() for future in as_completed([pool.submit(_record, job) for job in jobs]))
    except BrokenProcessPool:
        raise OutputError(
            "a process that makes clips ended (killed, or out of memory). What was done is kept: the same command goes "
            "on; --workers 1 takes least memory."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """In a worker: Ctrl-C is the parent's to answer; when the parent is killed, end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _record(job: Job) -> tuple[int, str]:
    """Write one clip on its devices: files written, and why it cannot be used if it cannot."""
    source, targets, bits = job
    try:
        waveform, rate = decode_audio(source)
        clip = mono(waveform.astype(np.float64), name=source)
    except AudioError as error:
        return 0, str(error)
    for target, device in targets:
        made = clip
        if device is not None:
            made = convolved(clip, _prepared(str(device.response), rate))
            made = compressed(made, rate, device.threshold_db, device.ratio, device.attack_ms, device.release_ms)
        write_wav(target, made, rate, f"PCM_{bits}")
    return len(targets), ""


@cache
def _prepared(name: str, rate: int) -> np.ndarray:
    waveform, own_rate = decode_audio(name)
    response = prepared_response(mono(waveform.astype(np.float64), name=name), own_rate, rate)
    if not len(response):
        raise DataError(f"the impulse response {name} is silent; a measured one is taken.")
    return response


_README = f"""# Simulated devices

Made by `tinyscene data simulate-devices` from the set, responses and compressors that `{MARKER}` names: the first
training device is the clip as recorded, the others are that clip through a measured microphone response and a
compressor. `source.csv` says which source clip each one is. The licence of the source holds for these clips too.
"""
