"""The features of a run, computed before it: how large they will be, then as they are made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import numpy as np
import torch

from ..audio import audio_info
from ..data import cache_folder
from ..errors import OutputError
from .preparing import Prepared

SAMPLED = 50  # clips whose length is asked, for the estimate


def fill_caches(prepared: Prepared, amount: Callable[[int], str], dry_run: bool = False) -> Iterator[str]:
    """Make the features that training and evaluation read; yields what to tell: an estimate, then each folder.

    Raises:
        OutputError: the disk has not enough room; nothing is made.
    """
    augment = prepared.augmentations()
    cut = "waveform" if augment["wave"] or augment["spectrum"] else "whole"
    wanted = [("training", prepared.split.train, cut), ("test", prepared.split.test, "windows")]
    if any(spec.build().validation_share for spec in prepared.system.recipe):
        wanted.append(("validation", prepared.split.train, "windows"))
    sizes = [estimated_bytes(prepared, rows, cut) for _, rows, cut in wanted]
    folder = cache_folder()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    parts = ", ".join(
        f"{what} {len(rows):,} clips {amount(size)}" for (what, rows, _), size in zip(wanted, sizes, strict=True)
    )
    yield f"estimate: {amount(sum(sizes))} ({parts}); {amount(free)} free at {folder}"
    if dry_run:
        return
    if sum(sizes) > free:
        raise OutputError(
            f"the features need {amount(sum(sizes))} and {folder} has {amount(free)} free. Free some room, or set "
            "TINYSCENE_CACHE to a folder on another disk."
        )
    for what, rows, kind in wanted:
        store = prepared.store(rows, kind)
        size = sum(path.stat().st_size for path in store.folder.iterdir())
        yield f"{what}: {amount(size)} in {store.folder}"


def estimated_bytes(prepared: Prepared, rows: np.ndarray, cut: str) -> int:
    """What the store of `rows` will take, from the lengths of some clips spread over them."""
    some = rows[:: max(1, len(rows) // SAMPLED)]
    asked = [audio_info(path) for path in prepared.dataset.take(some).paths()]
    seconds = float(np.mean([info.n_samples / info.sample_rate_hz for info in asked]))
    task = prepared.system.task
    windows = max(1.0, seconds / task.window_s)
    if cut == "waveform":
        return round(len(rows) * windows * prepared.system.window_samples * 4)
    bands = prepared.front_end.bands(torch.zeros(1, prepared.system.window_samples))
    return round(len(rows) * windows * bands.numel() * (2 if cut == "whole" else 4))
