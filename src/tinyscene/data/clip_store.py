"""ClipStore: many clips as waveforms or as band features, computed once, kept on disk."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from .. import __version__
from ..audio import read_audio, resample
from ..errors import AudioError, DataError, OutputError
from ..files import make_folder, write_whole
from ..frontends import FrontEnd
from ..runtime.windows import SILENCE_RANGE, cut_windows, fill_window, sounding
from ..system import System
from .bad_rows import SHOWN
from .dataset import Dataset

CLIPS_PER_SHARD = 128  # a kill loses the shard in work, no more
MOST_SHARDS = 256  # each is an open file; a process may have a thousand
HALF_UP_TO = 2**10  # features beyond it keep their 32 bits: float16 would round them by a half or more


def cache_folder() -> Path:
    """Where features are kept: TINYSCENE_CACHE, or the user's cache folder."""
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("TINYSCENE_CACHE") or Path(user) / "tinyscene")


def store_folder(system: System, dataset: Dataset, cut: str, hop_s: float | None = None) -> Path:
    """Where a `ClipStore` of these keeps its features."""
    root, files = str(dataset.root.resolve()), []
    for file in dataset.files:
        stat = os.stat(f"{root}/{file}")
        files.append((file, stat.st_size, stat.st_mtime_ns))
    facts = {
        "version": __version__,
        "front end": {} if cut == "waveform" else system.frontend.but(finish=()).plain(),
        "rate": system.task.sample_rate_hz,
        "channels": system.task.channels,
        "cut": [cut, system.window_samples, _hop(system, hop_s), SILENCE_RANGE, *_quiet(system, cut)],
        "clips a shard": _per_shard(len(dataset)),
        "root": root,
        "files": files,
    }
    return cache_folder() / hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def missing_clips(folder: Path, n_clips: int) -> np.ndarray:
    """Which clips of a store of `n_clips` in `folder` have to be computed, (clip,) rising."""
    each = _per_shard(n_clips)
    starts = range(0, n_clips, each)
    gone = [range(n_clips)[start : start + each] for start in starts if not _shard(folder, start // each).is_file()]
    return np.asarray([i for rows in gone for i in rows], dtype=np.int64)


def _per_shard(n_clips: int) -> int:
    return max(CLIPS_PER_SHARD, -(-n_clips // MOST_SHARDS))


def _hop(system: System, hop_s: float | None) -> int | None:
    return None if hop_s is None else round(hop_s * system.task.sample_rate_hz)


def _quiet(system: System, cut: str) -> list[float]:
    return [system.inference.quiet_db] if cut == "windows" and system.inference.quiet_db else []


def _shard(folder: Path, shard: int, part: str = "") -> Path:
    return folder / f"{shard:05d}{part}.npy"


class ClipStore:
    """Each clip of a data set as a memory-mapped array.

    Three cuts: "waveform" gives the clip itself, (time,), as augmentations of the waveform need it; "whole" gives one
    map of un-normalised band features of the whole clip, (1, channel, band, frame), from which training crops at
    random, stored in 16 bits: 22 kB for a second of 256 bands; "windows" gives (window, channel, band, frame), each
    sounding window from its own samples, as the device sees it. The folder's name is a hash of all that made it: files,
    sizes, times, front end, rate, cut.

    Raises:
        DataError: clips that cannot be decoded, all told at once; or a damaged cache.
        OutputError: the cache cannot be written.
    """

    def __init__(
        self,
        system: System,
        dataset: Dataset,
        cut: str,
        hop_s: float | None = None,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ):
        self._task, self._window, self.cut = system.task, system.window_samples, cut
        self._hop, self._quiet_db = _hop(system, hop_s), system.inference.quiet_db
        self._front_end: FrontEnd = system.frontend.build().eval()
        self._root, self._files = dataset.root, dataset.files
        self._per_shard = _per_shard(len(dataset))
        self.folder = store_folder(system, dataset, cut, hop_s)
        self._fill(workers or os.cpu_count() or 1, progress)
        try:
            self._shards = [np.load(self._shard(i), mmap_mode="r") for i in range(self._n_shards)]
            counts = [np.load(self._shard(i, ".counts")) for i in range(self._n_shards)]
        except (ValueError, OSError, EOFError) as error:
            raise DataError(f"the feature cache {self.folder} is damaged ({error}); delete that folder.") from None
        self._ends = [np.cumsum(count) for count in counts]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, i: int) -> np.ndarray:
        """Clip i as the cut says, float32 or, of whole clips, float16."""
        shard, row = divmod(i, self._per_shard)
        ends = self._ends[shard]
        start = 0 if row == 0 else int(ends[row - 1])
        stored = self._shards[shard][start : int(ends[row])]
        if self.cut != "whole":
            return stored
        return np.moveaxis(stored, 0, -1)[None]  # stored frame by frame, so that a crop is one run of bytes

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the waveforms."""
        return self._task.sample_rate_hz

    @property
    def n_frames(self) -> int:
        """Frames of one decision window; samples where the clips are waveforms."""
        if self.cut == "waveform":
            return self._window
        with torch.inference_mode():
            return self._front_end.bands(torch.zeros(1, self._window)).shape[-1]

    @property
    def silence_level(self) -> float:
        """The highest value that noise as weak as digital silence has, in the units of the features."""
        if self.cut == "waveform":
            return SILENCE_RANGE / 2
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, self._window)) * SILENCE_RANGE
        with torch.inference_mode():
            return float(self._front_end.bands(torch.from_numpy(noise.astype(np.float32))).max())

    @property
    def _n_shards(self) -> int:
        return -(-len(self._files) // self._per_shard)

    def _fill(self, workers: int, progress: Callable[[int, int], None] | None) -> None:
        missing = [shard for shard in range(self._n_shards) if not self._shard(shard).is_file()]
        if not missing:
            return
        make_folder(self.folder, "Set TINYSCENE_CACHE to a folder that can be written.")
        done, bad = len(self) - sum(len(self._rows(shard)) for shard in missing), []
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # one clip a worker: threads inside threads cost more than they give
        try:
            with ThreadPoolExecutor(workers) as pool:
                for shard in missing:
                    results = []
                    for bands in pool.map(self._compute, self._rows(shard)):
                        (bad if isinstance(bands, AudioError) else results).append(bands)
                        done += 1
                        if progress:
                            progress(done, len(self))
                    if not bad:
                        self._write(shard, results)
        finally:
            torch.set_num_threads(threads)
        if bad:
            with suppress(OSError):
                self.folder.rmdir()  # where not one shard is whole
            told = "; ".join(str(error).rstrip(".") for error in bad[:SHOWN])
            rest = f"; and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else ""
            raise DataError(
                f"{len(bad):,} of {len(self):,} clips cannot be used: {told}{rest}. Mend them, or give --skip-bad."
            )

    def _shard(self, shard: int, part: str = "") -> Path:
        return _shard(self.folder, shard, part)

    def _rows(self, shard: int) -> range:
        return range(shard * self._per_shard, min((shard + 1) * self._per_shard, len(self)))

    def _compute(self, i: int) -> np.ndarray | AudioError:
        try:
            waveform, rate = read_audio(self._root / self._files[i], channels=self._task.channels)
        except AudioError as error:
            return error
        waveform = resample(waveform, rate, self._task.sample_rate_hz)
        if self.cut == "waveform":
            return fill_window(waveform, self._window)
        if self.cut == "windows":
            pieces = cut_windows(waveform, self._window, self._hop)
            pieces = pieces[sounding(pieces, self._quiet_db)]
        else:
            pieces = fill_window(waveform, self._window)[None]
        with torch.inference_mode():
            bands = self._front_end.bands(torch.from_numpy(np.ascontiguousarray(pieces))).numpy()
        return bands if self.cut == "windows" else np.moveaxis(bands[0], -1, 0)

    def _write(self, shard: int, arrays: Sequence[np.ndarray]) -> None:
        joined = np.concatenate(arrays).astype(np.float32)
        if self.cut == "whole" and np.abs(joined).max(initial=0.0) < HALF_UP_TO:
            joined = joined.astype(np.float16)
        try:
            for path, array in (
                (self._shard(shard, ".counts"), np.asarray([len(a) for a in arrays])),
                (self._shard(shard), joined),
            ):
                buffer = io.BytesIO()
                np.save(buffer, array)
                write_whole(path, buffer.getbuffer())
        except OutputError as error:
            raise OutputError(f"{error} TINYSCENE_CACHE names the folder of the feature cache.") from None
