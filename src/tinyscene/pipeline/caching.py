"""The features of a run, computed before it: how large they will be, then as they are made."""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..audio import audio_info
from ..data import cache_folder
from ..data.clip_store import HALF_UP_TO, missing_clips, store_folder
from ..data.decodable import undecodable
from ..errors import AudioError, DataError, OutputError
from ..runtime.windows import window_starts
from .preparing import Prepared, prepare
from .run_folder import RunRecord

_FILE = 2 * 4096  # bytes of a shard beyond its values: two headers, two blocks that are not full
_COUNT = 8  # bytes that say how many windows a clip has
_LONG = 4  # windows that the rate of frames is measured on
_LOUDER = 4.0  # what features of sound may reach beyond those of the probes


def without_undecodable(prepared: Prepared, record: RunRecord) -> tuple[Prepared, RunRecord, list[tuple[str, str]]]:
    """Without the clips that cannot be decoded; the record names them (`left_out`), and the list (file, why).

    Raises:
        DataError: not one clip can be decoded, or what is left cannot be split.
    """
    with prepared.progress("decode every clip") as report:
        bad = undecodable(prepared.dataset, prepared.system.task.channels, report)
    if not bad:
        return prepared, record, []
    if len(bad) == len(prepared.dataset):
        raise DataError(f"not one clip of {record.data} can be decoded; first: {bad[0][1]}")
    record = replace(record, left_out=(*record.left_out, *(file for file, _ in bad)))
    return prepare(prepared.system, record, prepared.progress), record, bad


def fill_caches(prepared: Prepared, amount: Callable[[int], str], dry_run: bool = False) -> Iterator[str]:
    """Make the features that training and evaluation read; yields what to tell: an estimate, then each folder.

    Raises:
        OutputError: the cache cannot be written, or the disk has not enough room; nothing is made.
    """
    augment = prepared.augmentations()
    cut = "waveform" if augment["wave"] or augment["spectrum"] else "whole"
    wanted = [("training", prepared.split.train, cut), ("test", prepared.split.test, "windows")]
    if any(spec.build().validation_share for spec in prepared.system.recipe):
        wanted.append(("validation", prepared.split.train, "windows"))
    lengths = _lengths(prepared, np.unique(np.concatenate([rows for _, rows, _ in wanted])))
    parts, whole, needed = [], 0, 0
    for what, rows, kind in wanted:
        sizes = estimated_bytes(prepared, lengths[rows], kind)
        store = store_folder(prepared.system, prepared.dataset.take(rows), kind, _hop(prepared, kind))
        missing = missing_clips(store, len(rows))
        size, need = int(sizes.sum()), int(sizes[missing].sum())
        there = ", all there" if not need else f", {amount(size - need)} of them there" if need < size else ""
        parts.append(f"{what} {_clips(len(rows))} {amount(size)}{there}")
        whole, needed = whole + size, needed + need
    folder = cache_folder()
    reason = unwritable(folder)
    free = 0 if reason else shutil.disk_usage(_existing(folder)).free
    place = f"{folder} cannot be written: {reason}" if reason else f"{amount(free)} free at {folder}"
    yield f"estimate: {amount(whole)} ({'; '.join(parts)}); {place}"
    if dry_run:
        return
    if reason and needed:
        raise OutputError(
            f"the feature cache {folder} cannot be written: {reason}. Set TINYSCENE_CACHE to a folder that can be "
            "written."
        )
    if needed > free:
        there = f" (of {amount(whole)}, the rest is there)" if needed < whole else ""
        raise OutputError(
            f"the features need {amount(needed)} more{there} and {folder} has {amount(free)} free. Free some room, or "
            "set TINYSCENE_CACHE to a folder on another disk."
        )
    for what, rows, kind in wanted:
        store = prepared.store(rows, kind)
        size = sum(path.stat().st_size for path in store.folder.iterdir())
        yield f"{what}: {amount(size)} in {store.folder}"


def estimated_bytes(prepared: Prepared, lengths: np.ndarray, cut: str) -> np.ndarray:
    """What a store takes for clips of these lengths in samples at the task's rate, (clip,) bytes: never too few."""
    window = prepared.system.window_samples
    filled = np.maximum(lengths, window)
    if cut == "waveform":
        values = 4 * filled
    else:
        bands = _bands(prepared, torch.zeros(1, window))
        if cut == "windows":
            hop = _hop(prepared, cut)
            hop = None if hop is None else round(hop * prepared.system.task.sample_rate_hz)
            each, index = np.unique(filled, return_inverse=True)
            counts = np.asarray([len(window_starts(int(n), window, hop)) for n in each], dtype=np.int64)
            values = 4 * counts[index] * bands.numel()
        else:
            first = bands.shape[-1]
            more = _bands(prepared, torch.zeros(1, _LONG * window)).shape[-1] - first
            # a frame every so many samples: measured over some windows, it is known to one frame
            frames = first + np.ceil((filled - window) * ((more + 1) / ((_LONG - 1) * window)))
            values = (_bytes_each(prepared) * frames * (bands.numel() // first)).astype(np.int64)
    return values + _COUNT + math.ceil(_FILE / 128)


def unwritable(folder: Path) -> str:
    """Why nothing can be written into `folder`, made or not made yet; '' where something can, or the disk is full."""
    there = _existing(folder)
    if not there.is_dir():
        return f"{there} is a file"
    try:
        with tempfile.TemporaryFile(dir=there):
            return ""
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ""
        return f"{there}: {error.strerror or error}" if there != folder else f"{error.strerror or error}"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.parents, Path()) if os.path.exists(path))


def _lengths(prepared: Prepared, rows: np.ndarray) -> np.ndarray:
    """(clip of the data set,) samples at the task's rate of those at `rows`, as their headers say.

    A clip whose header cannot be read counts as the mean: who decodes it will tell.
    """
    rate = prepared.system.task.sample_rate_hz

    def asked(path: Path) -> float:
        try:
            info = audio_info(path)
        except AudioError:
            return math.nan
        return math.ceil(info.n_samples * rate / info.sample_rate_hz)

    lengths = np.full(len(prepared.dataset), math.nan)
    with prepared.progress("lengths of clips") as report, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        paths = prepared.dataset.take(rows).paths()
        for i, length in enumerate(pool.map(asked, paths)):
            lengths[rows[i]] = length
            report(i + 1, len(rows))
    known = lengths[np.isfinite(lengths)]
    return np.where(np.isfinite(lengths), lengths, known.mean() if len(known) else 1).astype(np.int64)


def _hop(prepared: Prepared, cut: str) -> float | None:
    return prepared.system.inference.hop_s if cut == "windows" else None


def _bands(prepared: Prepared, waveform: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return prepared.front_end.bands(waveform)


def _bytes_each(prepared: Prepared) -> int:
    """2 or 4: what a value of a whole clip takes, judged on silence, noise and tones at full scale."""
    window, rate = prepared.system.window_samples, prepared.system.task.sample_rate_hz
    time_s = torch.arange(window) / rate
    tones = [torch.sin(2 * math.pi * hz * time_s) for hz in np.geomspace(50, 0.45 * rate, 12)]
    noise = 2 * torch.rand(window, generator=torch.Generator().manual_seed(0)) - 1
    highest = float(_bands(prepared, torch.stack([torch.zeros(window), noise, *tones])).abs().max())
    return 2 if _LOUDER * highest < HALF_UP_TO else 4


def _clips(n: int) -> str:
    return f"{n:,} clip" if n == 1 else f"{n:,} clips"
