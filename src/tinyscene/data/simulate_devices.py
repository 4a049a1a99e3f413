"""A set in TAU layout, recorded by many devices, out of a set recorded by one: responses and compressors."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
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

from ..audio import audio_info, decode_audio, mono, write_wav
from ..errors import AudioError, DataError, OutputError, SettingError
from ..files import make_folder, write_whole
from .dataset import Dataset
from .device_spec import DeviceSpec, SimulatedDevice, read_spec
from .open import open_dataset
from .simulated_clips import (
    CONTINUE,
    LAST,
    Row,
    SourceClip,
    begin,
    check_folder,
    clips_to_leave_out,
    command_of,
    counted,
    fold_lists,
    found_recipe,
    shown,
    source_clips,
    unlisted_clips,
    write_lists,
)
from .simulated_device import compressed, convolved, prepared_response

VERSION = 1  # raise it whenever the files of an unchanged spec would sound different
BITS = (16, 24)
_BLOCK = 4096  # bytes that a file takes beyond its samples: header, a block that is not full
_LEAST_BYTES = 45  # of a wav file with one sample or more: a shorter one was lost with the power


def simulate_devices(
    source: Path,
    spec: Path | Mapping[str, Any],
    to: Path,
    bits: int = 24,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    responses: Path | None = None,
    skip_bad: bool = False,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Writes the set into `to`; what already lies there from a run of the same spec is kept.

    The names are <scene>-<city>-<location>-<segment>-<device>.wav: location is the clip's recording, segment its
    number in the source's list; source.csv leads back. The first training device is the clip as recorded (mono). Each
    fold K has evaluation_setup/foldK_train.csv, _test.csv and _evaluate.csv, as the spec says which devices train
    and test: `--fold K`. Without folds every clip appears on every device and meta.csv is the only list.

    Args:
        source: a set that `open_dataset` reads, of one device.
        spec: see `read_spec`; `responses` is the folder of its impulse responses, if they lie elsewhere.
        to: a folder that is missing, empty or holds this set, finished or not. The lists are written last; until then
            unfinished.txt there has the command that goes on, and `unfinished` tells it.
        bits: 16 or 24, PCM without dither.
        workers: processes, one a core if None. The bytes do not depend on it. 1 stays in this process.
        progress: called with (clips decoded, clips) as a new set begins, then with (files there, files in all).
        skip_bad: leave out rows that cannot be used and clips that cannot be decoded, and say so; the marker keeps
            their names.
        say: called with a line for what is left out.

    Raises:
        SettingError: a number or key out of range.
        DataError: a source with several devices, without labels or with clips that cannot be decoded; a missing
            response.
        OutputError: `to` holds something else, has too little room or cannot be written; nothing is overwritten.
    """
    to = Path(to)
    if bits not in BITS:
        raise SettingError(f"simulate_devices' bits takes 16 or 24; {bits} came.")
    if workers is not None and workers < 1:
        raise SettingError(f"simulate_devices' workers takes 1 or more; {workers} came.")
    wanted = read_spec(spec if isinstance(spec, Mapping) else Path(spec), responses)
    for device in wanted.devices.values():
        _response(str(device.response))
    say = say or (lambda line: None)
    found = found_recipe(to)
    check_folder(to, found, {})
    dataset = open_dataset(source, skip_bad=skip_bad)
    left_out = tuple(found.get("left_out", ())) if found and skip_bad else ()
    if found is None:
        fold_lists(dataset.name, source_clips(dataset), wanted)  # what it refuses is told before all are decoded
        left_out = clips_to_leave_out(dataset, skip_bad, say, progress)
    for note in dataset.notes:
        say(note)
    if left_out:
        say(f"{counted(len(left_out))} left out, which cannot be decoded (--skip-bad): {shown(left_out)}")
        dataset = dataset.take(np.flatnonzero(~np.isin(dataset.files.astype(str), left_out)))
    clips = source_clips(dataset)
    folds = fold_lists(dataset.name, clips, wanted)
    if told := unlisted_clips(clips, folds):
        say(told)
    every = tuple(dict.fromkeys((*wanted.train_devices, *wanted.test_devices)))
    # A clip is made on the devices that some list wants it on.
    needed: dict[str, set[str]] = {clip.source: set() if folds else set(every) for clip in clips}
    for train, test in folds.values():
        for clip, device in (*train, *test):
            needed[clip.source].add(device)
    made = [(clip, tuple(device for device in every if device in needed[clip.source])) for clip in clips]
    recipe = _recipe(dataset, wanted, bits) | ({"left_out": list(left_out)} if left_out else {})
    check_folder(to, found, recipe)
    jobs = _jobs(dataset, wanted, to, bits, made)
    _check_room(to, jobs, bits)
    total = sum(len(devices) for _, devices in made)
    if found is not None and jobs:
        there = total - sum(len(targets) for _, targets, _ in jobs)
        say(f"{to} was begun before: {there:,} of its {counted(total)} are there, the others are made now")
    if jobs or not (to / LAST).is_file():
        begin(to, recipe, command_of(source, spec, to, bits, responses, skip_bad))
    _write_audio(dataset.name, jobs, total, workers or os.cpu_count() or 1, progress)
    write_lists(to, [(clip, devices) for clip, devices in made if devices], folds)
    if dataset.synthetic:
        write_whole(to / "synthetic.json", json.dumps({"made_by": "tinyscene", "source": dataset.name}) + "\n")
    (to / CONTINUE).unlink(missing_ok=True)
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


def _check_room(to: Path, jobs: Sequence[Job], bits: int) -> None:
    """OutputError where the clips that are still to be made do not fit."""
    need = 0
    for source, targets, _ in jobs:
        try:
            n_samples = audio_info(source).n_samples
        except AudioError:  # gone since the others were looked at: the one who makes it will tell
            n_samples = 0
        need += len(targets) * (n_samples * bits // 8 + _BLOCK)
    there = next(path for path in (to, *to.absolute().parents) if os.path.exists(path))
    free = shutil.disk_usage(there).free
    if not free and not to.exists():  # of no disk at all, such as /proc: the reason is told, not its size
        make_folder(to, "Choose another --to.")
        to.rmdir()
    if need > free:
        raise OutputError(
            f"the clips need {need:,} bytes and {to} has {free:,} free. Free some room, take --bits 16, or choose "
            "another --to."
        )


# ---- sound ----


def _jobs(dataset: Dataset, spec: DeviceSpec, to: Path, bits: int, made: Iterable[tuple[SourceClip, Row]]) -> list[Job]:
    """The clips that are not there yet."""
    try:
        there = {entry.name for entry in os.scandir(to / "audio") if entry.stat().st_size >= _LEAST_BYTES}
    except OSError:
        there = set()
    jobs = []
    for clip, devices in made:
        missing = [device for device in devices if Path(clip.file(device)).name not in there]
        if missing:
            targets = [(str(to / clip.file(device)), spec.devices.get(device)) for device in missing]
            jobs.append((str(dataset.root / clip.source), targets, bits))
    return jobs


def _write_audio(
    name: str, jobs: Sequence[Job], total: int, workers: int, progress: Callable[[int, int], None] | None
) -> None:
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
            f"{counted(len(bad))} of {name} could not be decoded any more: "
            f"{shown(sorted(error.rstrip('.') for error in bad), '; ')} The others are done: bring these back as they "
            "were and run the same command again."
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
    return prepared_response(*_response(name), rate)


def _response(name: str) -> tuple[np.ndarray, int]:
    waveform, rate = decode_audio(name)
    response = mono(waveform.astype(np.float64), name=name)
    if not response.any():
        raise DataError(f"the impulse response {name} is silent; a measured one is taken.")
    return response, rate
