"""Temperature scaling: one number that sets how sure a system is, and never changes its answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root_scalar
from scipy.special import softmax

from ..errors import DataError, within
from .metrics import normalised

COLDEST, HOTTEST = 0.05, 20.0
SUM_TOLERANCE = 1e-3  # float16 softmax over ten classes stays within it

Floats = NDArray[np.float64]


def fit_temperature(logits_or_probabilities: Floats, target: NDArray[np.int64]) -> float:
    """The t in 0.05..20 for which softmax(logits / t) has the least log loss.

    Guo et al. 2017, "On calibration of modern neural networks", section 4.2. The loss is convex in 1/t, so this is the
    least of all, or an end of the range: the cold end where every answer is right. t > 1: the system was too sure.

    logits_or_probabilities  (n, class), finite. Rows >= 0 that sum to 1 are probabilities and enter by their
                             logarithm, which is their logits but for a constant a row; rows with a negative number
                             are logits.
    target                   (n,) class indices of files that `t` will not be reported on

    Raises:
        DataError: other shapes, files without label, or numbers >= 0 that do not sum to 1, which may be either.
    """
    scores, labels = np.asarray(logits_or_probabilities, dtype=np.float64), np.asarray(target)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise DataError(
            f"fit_temperature takes (n, class) and n labels, n >= 1; shapes {scores.shape} and {labels.shape} came."
        )
    if not np.isfinite(scores).all():
        raise DataError("fit_temperature takes finite numbers; NaN or infinity came. Did the training diverge?")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise DataError(
            f"fit_temperature takes labels 0..{scores.shape[1] - 1}, so labelled files only; "
            f"{int(labels.min())}..{int(labels.max())} came."
        )
    logits = scores if (scores < 0).any() else _log_of_probabilities(scores)
    behind = logits - logits[np.arange(len(labels)), labels][:, None]

    def slope(sharpness: float) -> float:
        """Of the loss in 1 / t; near 0 the loss itself is too flat to search its least."""
        return float((softmax(sharpness * behind, axis=1) * behind).sum(axis=1).mean())

    if slope(1 / COLDEST) <= 0:
        return COLDEST
    if slope(1 / HOTTEST) >= 0:
        return HOTTEST
    return float(1 / root_scalar(slope, bracket=(1 / HOTTEST, 1 / COLDEST), xtol=1e-12).root)


def at_temperature(probabilities: Floats, t: float) -> Floats:
    """softmax(ln p / t), (n, class), rows sum to 1: flatter for t > 1, sharper for t < 1, the order of classes kept.

    Raises:
        SettingError: t outside 0.05..20.
    """
    within("at_temperature.t", t, COLDEST, HOTTEST)
    return softmax(log_of(probabilities) / t, axis=1)


def log_of(probabilities: Floats) -> Floats:
    """ln p, (n, class), of rows made to sum to 1 and then clipped to 1e-15; a row of zeros is taken as even.

    `normalised` alone, the challenges' log loss, clips first and so makes equal what is above 1.
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    total = rows.sum(axis=1, keepdims=True)
    return np.log(normalised(rows / np.where(total > 0, total, 1)))


def _log_of_probabilities(scores: Floats) -> Floats:
    off = np.abs(scores.sum(axis=1) - 1)
    if off.max() > SUM_TOLERANCE:
        row = int(off.argmax())
        raise DataError(
            f"fit_temperature cannot tell logits from probabilities: nothing is negative, and row {row} sums to "
            f"{scores[row].sum():g}, not to 1. Divide probabilities by each row's sum; "
            "subtract each row's largest number from logits."
        )
    return log_of(scores)
