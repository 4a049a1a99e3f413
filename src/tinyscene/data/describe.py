"""What a data set holds and what is odd about it: counts, lengths, levels, clipping, silence, duplicates, leaks."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import welch

from ..audio import decode_audio
from ..errors import AudioError, SettingError
from ..runtime.windows import SILENCE_RANGE
from .dataset import Dataset

# Third octaves that a picture has room for; the lowest is 7 Hz wide.
BANDS_HZ = 1000 * 2.0 ** (np.arange(-15, 14) / 3)
FLOOR = 1e-16  # full scale squared per Hz: below what 24 bits hold
FULL_SCALE = 1 - 2**-15  # the highest level of 16 bits; 24 bits and floats pass it
FEW = 20  # names that a list of findings gives; its count goes on
_AT_ONCE = 128  # clips in flight: what is kept of one is small, but not nothing
_BLOCK_S = 60  # of a long clip
_NO_DETREND: dict[str, Any] = {"detrend": False}  # scipy's types know words only


@dataclass(frozen=True)
class _Clip:
    """What is kept of one file. `density` is its mean power density in each band, NaN beyond its rate."""

    n_samples: int
    rate: int
    channels: int
    power: float
    clipped: int
    silent: int
    digest: bytes
    density: np.ndarray


def describe(
    dataset: Dataset, progress: Callable[[int, int], None] | None = None, workers: int | None = None
) -> dict[str, Any]:
    """Everything about a data set that can be told without hearing it, as plain dicts, lists, numbers and strings.

    Files are decoded one by one; memory grows by some bytes a clip only. A file that cannot be decoded is listed under
    "bad" and left out of the sound's figures.

    Returns:
        counts: rows of class, device, city, fold ('' where the set says nothing) and clips.
        duration_s: min, mean, max, total, the usual one, and `odd`: clips of another length.
        sample_rates_hz, channels: how many clips have each.
        devices: per device clips, RMS level in dBFS (mean, min, max over clips that sound), share of clips with
            samples at full scale, share of the time that is digital silence, and its mean spectrum (dB re full scale
            squared per Hz, None beyond the rates of its clips).
        bands_hz: centres of the spectrum's third octaves.
        clipping, silence, duplicates, leaks, bad: `count` and the first entries. `duplicates` are groups of equal
            decoded samples, silent clips aside, marked where their labels or splits differ. `leaks` are recordings
            with clips in more than one split.

    Raises:
        SettingError: workers below 1.
    """
    if workers is not None and workers < 1:
        raise SettingError(f"describe's workers takes 1 or more; {workers} came.")
    files, folds = dataset.files, dataset.fold
    bad, clipping, silent = [], [], []
    durations = np.full(len(dataset), np.nan)
    rates, channels = Counter(), Counter()
    first: dict[bytes, int] = {}
    copies: dict[int, list[int]] = defaultdict(list)
    levels: dict[str, _Device] = defaultdict(_Device)
    for i, clip in enumerate(_clips(dataset.paths(), workers or os.cpu_count() or 1)):
        if progress:
            progress(i + 1, len(dataset))
        if isinstance(clip, str):
            bad.append({"file": files[i], "reason": clip})
            continue
        durations[i] = clip.n_samples / clip.rate
        rates[clip.rate] += 1
        channels[clip.channels] += 1
        levels[dataset.device[i]].add(clip, durations[i])
        if clip.clipped:
            clipping.append({"file": files[i], "samples": clip.clipped})
        if clip.silent == clip.n_samples:
            silent.append(files[i])
        elif first.setdefault(clip.digest, i) != i:
            copies[first[clip.digest]].append(i)
    groups = [[i, *others] for i, others in copies.items()]
    return {
        "name": dataset.name,
        "clips": len(dataset),
        "classes": list(dataset.classes),
        "synthetic": dataset.synthetic,
        "counts": _counts(dataset),
        "duration_s": _durations(durations, files),
        "sample_rates_hz": {str(rate): count for rate, count in sorted(rates.items())},
        "channels": {str(number): count for number, count in sorted(channels.items())},
        "devices": {name: levels[name].told() for name in sorted(levels)},
        "bands_hz": BANDS_HZ.round(1).tolist(),
        "clipping": _found(sorted(clipping, key=lambda one: -one["samples"])),
        "silence": _found(silent),
        "duplicates": _found([_duplicate(dataset, group) for group in groups]),
        "leaks": _found(_leaks(dataset.recording, folds)),
        "bad": _found(bad),
    }


class _Device:
    """Sums over the clips of one device."""

    def __init__(self) -> None:
        self.clips = self.clipped = 0
        self.seconds = self.silent_s = 0.0
        self.level_db: list[float] = []
        self.band_db, self.band_clips = np.zeros(len(BANDS_HZ)), np.zeros(len(BANDS_HZ), dtype=np.int64)

    def add(self, clip: _Clip, seconds: float) -> None:
        self.clips += 1
        self.clipped += clip.clipped > 0
        self.seconds += seconds
        self.silent_s += clip.silent / clip.rate
        if clip.silent < clip.n_samples:  # the logarithm of nothing would outweigh every clip
            self.level_db.append(10 * np.log10(max(clip.power, FLOOR)))
            within = np.isfinite(clip.density)
            self.band_db[within] += 10 * np.log10(np.maximum(clip.density[within], FLOOR))
            self.band_clips += within

    def told(self) -> dict[str, Any]:
        level = np.asarray(self.level_db)
        means = [
            round(float(total / n), 2) if n else None for total, n in zip(self.band_db, self.band_clips, strict=True)
        ]
        return {
            "clips": self.clips,
            "rms_dbfs": dict(zip(("mean", "min", "max"), _three(level), strict=True)),
            "clipped_share": round(self.clipped / self.clips, 6),
            "silent_share": round(float(self.silent_s / self.seconds), 6),
            "spectrum_db": means,
        }


# ---- one file ----


def _clips(paths: list[Path], workers: int) -> Iterator[_Clip | str]:
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), _AT_ONCE):
            yield from pool.map(_measured, paths[start : start + _AT_ONCE])


def _measured(path: Path) -> _Clip | str:
    try:
        waveform, rate = decode_audio(path)
    except AudioError as error:
        return str(error)
    digest = blake2b(np.ascontiguousarray(waveform).tobytes(), digest_size=16)
    digest.update(f"{rate} {waveform.shape}".encode())
    wave = waveform.mean(axis=0)
    return _Clip(
        n_samples=len(wave),
        rate=rate,
        channels=len(waveform),
        power=float(np.mean(wave.astype(np.float64) ** 2)),
        clipped=int((np.abs(waveform) >= FULL_SCALE).any(axis=0).sum()),
        silent=_silent_samples(wave, rate),
        digest=digest.digest(),
        density=_density(wave, rate),
    )


def _silent_samples(wave: np.ndarray, rate: int) -> int:
    """Samples in stretches of 10 ms that stay within one 16-bit step of their middle."""
    length = max(1, min(len(wave), rate // 100))
    starts = np.arange(0, len(wave), length)
    spread = np.maximum.reduceat(wave, starts) - np.minimum.reduceat(wave, starts)
    return int(np.diff(np.append(starts, len(wave)))[spread <= SILENCE_RANGE].sum())


def _density(wave: np.ndarray, rate: int) -> np.ndarray:
    """(band,) mean power density in each third octave, full scale squared per Hz; NaN beyond half the rate."""
    n_fft = 1 << int(np.ceil(np.log2(rate / 6)))  # bins narrower than the lowest band
    total, weight = np.zeros(n_fft // 2 + 1), 0
    for start in range(0, len(wave), _BLOCK_S * rate):
        block = wave[start : start + _BLOCK_S * rate]
        if start and len(block) < n_fft:
            break  # the rest of a long clip
        _, density = welch(block, rate, nperseg=min(n_fft, len(block)), nfft=n_fft, **_NO_DETREND)
        total += density * len(block)
        weight += len(block)
    bin_hz = np.arange(n_fft // 2 + 1) * rate / n_fft
    edges = np.searchsorted(bin_hz, [BANDS_HZ * 2 ** (-1 / 6), BANDS_HZ * 2 ** (1 / 6)])
    sums = np.append(0, np.cumsum(total / weight))
    density = (sums[edges[1]] - sums[edges[0]]) / np.maximum(edges[1] - edges[0], 1)
    return np.where(rate / 2 >= BANDS_HZ * 2 ** (1 / 6), density, np.nan)


# ---- findings ----


def _found(entries: list[Any]) -> dict[str, Any]:
    return {"count": len(entries), "first": entries[:FEW]}


def _counts(dataset: Dataset) -> list[dict[str, Any]]:
    names = np.asarray([*dataset.classes, ""], dtype=object)  # target -1 is ''
    rows = Counter(zip(names[dataset.target], dataset.device, dataset.city, dataset.fold, strict=True))
    return [
        {"class": label, "device": device, "city": city, "fold": fold, "clips": clips}
        for (label, device, city, fold), clips in sorted(rows.items())
    ]


def _durations(seconds: np.ndarray, files: np.ndarray) -> dict[str, Any]:
    """A length is usual when half of the clips have it, to the ms; else odd is what a third or thrice the median is."""
    known = np.isfinite(seconds)
    if not known.any():
        return {"min": None, "mean": None, "max": None, "total": 0.0, "usual": None, "odd": _found([])}
    values, counts = np.unique(seconds[known].round(3), return_counts=True)
    usual = float(values[np.argmax(counts)]) if 2 * counts.max() >= known.sum() else None
    if usual is not None:
        odd = known & (np.abs(seconds - usual) > 1e-3)
    else:
        middle = np.median(seconds[known])
        odd = known & ((seconds < middle / 3) | (seconds > 3 * middle))
    entries = [{"file": files[i], "seconds": round(float(seconds[i]), 4)} for i in np.flatnonzero(odd)]
    mean, low, high = _three(seconds[known])
    total = round(float(seconds[known].sum()), 3)
    return {"min": low, "mean": mean, "max": high, "total": total, "usual": usual, "odd": _found(entries)}


def _three(values: np.ndarray) -> tuple[float | None, ...]:
    return tuple(round(float(f(values)), 4) for f in (np.mean, np.min, np.max)) if len(values) else (None,) * 3


def _duplicate(dataset: Dataset, group: list[int]) -> dict[str, Any]:
    return {
        "files": [str(dataset.files[i]) for i in group],
        "labels_differ": len({int(dataset.target[i]) for i in group}) > 1,
        "splits_differ": len({dataset.fold[i] for i in group} - {""}) > 1,
    }


def _leaks(recordings: Iterable[str], folds: Iterable[str]) -> list[dict[str, Any]]:
    """Recordings (locations of a TAU set) that have clips in more than one split."""
    parts: dict[str, Counter[str]] = defaultdict(Counter)
    for recording, fold in zip(recordings, folds, strict=True):
        if fold:
            parts[recording][fold] += 1
    return [
        {"recording": recording, "clips": dict(sorted(own.items()))}
        for recording, own in sorted(parts.items())
        if len(own) > 1
    ]
