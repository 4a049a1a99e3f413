"""measure: predictions in, every figure of the task out, as plain numbers that go into JSON as they are.

Definitions are those of DCASE Task 1: accuracy averaged over classes (ranking 2020, 2023 on), log loss (2021, 2022) in
natural logarithms on float64 probabilities clipped to [1e-15, 1 - 1e-15] and renormalised, as scikit-learn did in the
challenge years; later versions of scikit-learn clip at the float's epsilon and no longer renormalise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SettingError
from .predictions import Predictions

CLIP = 1e-15
N_BINS = 15
Z_95 = 1.959963984540054  # two-sided 95 % of the normal distribution

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def measure(
    predictions: Predictions, seed: int = 0, n_bootstrap: int = 1000, segments: Sequence[str] = ()
) -> dict[str, Any]:
    """Figures of labelled predictions.

    accuracy, macro_accuracy, calibration_error lie in 0..1; log losses in nats. Per-class accuracy is recall; accuracy
    per device and per city is the plain share of correct files, with the mean of class recalls beside it. Classes
    without a file are left out of means and of `per_class`. `confusion.matrix` has a row per true class and a column
    per answer.
    `confidence_interval` (95 %) resamples recordings; `confidence_interval_by_segment`, where `segments` names for each
    file the stretch of a recording it was cut from, resamples those, never single files. The Wilson intervals of single
    classes, devices and cities take files as independent and are too narrow where many files come from one recording.

    DataError without files or labels; SettingError for n_bootstrap < 1. Same seed, same figures.
    """
    n, n_classes = predictions.probabilities.shape
    target = predictions.target
    if n == 0:
        raise DataError("measure takes predictions of one file or more; got none")
    if target.min() < 0:
        row = int(np.argmin(target))
        raise DataError(f"measure takes labelled files; row {row} ({predictions.files[row]}) has no label")
    if n_bootstrap < 1:
        raise SettingError(f"measure takes n_bootstrap of 1 or more; got {n_bootstrap}")
    probabilities = normalised(predictions.probabilities)
    loss = -np.log(probabilities[np.arange(n), target])
    predicted = predictions.predicted
    correct = predicted == target
    present = np.flatnonzero(np.bincount(target, minlength=n_classes))
    per_class = {predictions.classes[i]: _figures(target == i, correct, loss) for i in present.tolist()}
    groups = _groups(predictions.recordings)
    interval = _bootstrap(groups, target, correct, n_classes, seed, n_bootstrap)
    by_segment = {}
    if any(segments):
        of_segments = _bootstrap(_groups(segments), target, correct, n_classes, seed, n_bootstrap)
        by_segment = {"confidence_interval_by_segment": of_segments}
    return {
        "n": n,
        "accuracy": float(correct.mean()),
        "macro_accuracy": _macro(target, correct),
        "log_loss": float(loss.mean()),
        "macro_log_loss": float(np.mean([row["log_loss"] for row in per_class.values()])),
        "calibration_error": calibration_error(probabilities, correct),
        "confidence_interval": interval,
        **by_segment,
        "bootstrap": {
            "unit": "recording" if any(predictions.recordings) else "file",
            "n_units": int(groups.max()) + 1,
            "n_resamples": n_bootstrap,
        },
        "per_class": per_class,
        "per_device": _split(predictions.devices, target, correct, loss),
        "per_city": _split(predictions.cities, target, correct, loss),
        "per_device_group": _split([device_group(name) for name in predictions.devices], target, correct, loss),
        "confusion": {
            "labels": list(predictions.classes),
            "matrix": np.bincount(target * n_classes + predicted, minlength=n_classes**2)
            .reshape(n_classes, n_classes)
            .tolist(),
        },
    }


def normalised(probabilities: Floats) -> Floats:
    """(n, class) clipped to [1e-15, 1 - 1e-15], then each row made to sum to 1."""
    clipped = np.clip(probabilities, CLIP, 1 - CLIP)
    return clipped / clipped.sum(axis=1, keepdims=True)


def calibration_error(probabilities: Floats, correct: Mask) -> float:
    """Expected calibration error, 15 bins of equal width (lo, hi] on the winning probability.

    ECE = sum over bins of n_bin / n * |accuracy - mean confidence| (Guo et al. 2017, "On calibration of modern neural
    networks", equation 3). probabilities (n, class), rows sum to 1; correct (n,).
    """
    confidence = probabilities.max(axis=1)
    bins = np.clip(np.ceil(confidence * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
    # n_bin * |accuracy - confidence| = |hits - summed confidence|: no division, empty bins give 0
    gap = np.bincount(bins, weights=correct, minlength=N_BINS) - np.bincount(bins, confidence, minlength=N_BINS)
    return float(np.abs(gap).sum() / len(confidence))


def wilson(hits: int, n: int) -> list[float]:
    """95 % score interval of a share (Wilson 1927): stays in 0..1 and has width at 0 and 1, unlike the normal one."""
    share = hits / n
    centre = share + Z_95**2 / (2 * n)
    half = Z_95 * np.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    scale = 1 + Z_95**2 / n
    return [max(0.0, float((centre - half) / scale)), min(1.0, float((centre + half) / scale))]


def device_group(device: str) -> str:
    """TAU devices: real a, b, c; s1..s3 simulated and seen in training; s4 on and d only in test; else ''."""
    if device in ("a", "b", "c"):
        return "real"
    if device in ("s1", "s2", "s3"):
        return "seen"
    if device == "d" or re.fullmatch(r"s([4-9]|[1-9]\d)", device):
        return "unseen"
    return ""


def _macro(target: Ints, correct: Mask) -> float:
    count = np.bincount(target)
    hits = np.bincount(target, weights=correct)
    return float((hits[count > 0] / count[count > 0]).mean())


def _figures(rows: Mask, correct: Mask, loss: Floats) -> dict[str, Any]:
    n, hits = int(rows.sum()), int(correct[rows].sum())
    return {
        "n": n,
        "accuracy": hits / n,
        "log_loss": float(loss[rows].mean()),
        "confidence_interval": wilson(hits, n),
    }


def _split(names: Sequence[str], target: Ints, correct: Mask, loss: Floats) -> dict[str, dict[str, Any]]:
    """Figures for each name but ''; numbered names in counting order (s2 before s10), groups as listed above."""
    table: dict[str, dict[str, Any]] = {}
    column = np.asarray(names, dtype=object)
    for name in _in_order(set(names) - {""}):
        rows = np.asarray(column == name, dtype=np.bool_)
        table[name] = _figures(rows, correct, loss) | {"macro_accuracy": _macro(target[rows], correct[rows])}
    return table


def _in_order(names: Iterable[str]) -> list[str]:
    # letters and numbers alternate in every split, so that like is compared with like
    return sorted(names, key=lambda name: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)])


def _groups(recordings: Sequence[str]) -> Ints:
    """(n,) number of the recording each file belongs to; a file of unknown recording stands alone."""
    keys = [(name, -1) if name else ("", i) for i, name in enumerate(recordings)]
    number: dict[tuple[str, int], int] = {}
    return np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)


def _bootstrap(
    groups: Ints, target: Ints, correct: Mask, n_classes: int, seed: int, n_bootstrap: int
) -> dict[str, list[float]]:
    """95 % percentile intervals of accuracy and macro accuracy, recordings drawn with replacement.

    A recording enters only by its files and hits per class. Recordings with the same such row are exchangeable, so one
    multinomial draw over the different rows is the same resampling, at a cost that does not grow with the files.
    """
    n_groups = int(groups.max()) + 1
    if n_groups < 2:  # one recording says nothing about the spread between recordings
        return {"accuracy": [0.0, 1.0], "macro_accuracy": [0.0, 1.0]}
    cell = groups * n_classes + target
    files = np.bincount(cell, minlength=n_groups * n_classes).reshape(n_groups, n_classes)
    hits = np.bincount(cell, weights=correct, minlength=n_groups * n_classes).reshape(n_groups, n_classes)
    rows, counts = np.unique(np.concatenate([files, hits], axis=1), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    accuracy, macro = np.empty(n_bootstrap), np.empty(n_bootstrap)
    chunk = max(1, 2_000_000 // len(rows))  # bounds memory to 16 MB a draw
    for start in range(0, n_bootstrap, chunk):
        part = slice(start, min(start + chunk, n_bootstrap))
        drawn = rng.multinomial(n_groups, counts / n_groups, size=part.stop - start) @ rows
        n_drawn, hits_drawn = drawn[:, :n_classes], drawn[:, n_classes:]
        accuracy[part] = hits_drawn.sum(axis=1) / n_drawn.sum(axis=1)
        recall = np.divide(hits_drawn, n_drawn, out=np.zeros_like(hits_drawn), where=n_drawn > 0)
        macro[part] = recall.sum(axis=1) / (n_drawn > 0).sum(axis=1)
    return {
        "accuracy": [float(x) for x in np.quantile(accuracy, [0.025, 0.975])],
        "macro_accuracy": [float(x) for x in np.quantile(macro, [0.025, 0.975])],
    }
