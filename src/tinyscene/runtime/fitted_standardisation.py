"""Bands brought to the mean and deviation that the training set had, as the network was trained with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import SettingError

Table = Sequence[Sequence[float]]  # (channel, band)


class FittedStandardisation:
    """(batch, channel, band, frame) float32 -> (features - mean) / deviation, the same shape.

    `mean` and `deviation` hold one number for each channel and band. Without them the features stay as they are.
    """

    def __init__(self, mean: Table | None = None, deviation: Table | None = None):
        numbers = fitted_numbers(mean, deviation)
        self.mean, self.deviation = (None, None) if numbers is None else numbers.astype(np.float32)[..., None]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        if self.mean is None:
            return features
        check_map(features.shape, self.mean.shape)
        return (features - self.mean) / self.deviation


def fitted_numbers(mean: Table | None, deviation: Table | None) -> np.ndarray | None:
    """Both as one array (2, channel, band) float64; None when neither is given. SettingError names a wrong field."""
    if mean is None and deviation is None:
        return None
    means, deviations = _table("mean", mean), _table("deviation", deviation)
    if means.shape != deviations.shape:
        raise SettingError(
            "FittedStandardisation.deviation takes as many numbers (channel, band) as mean has, "
            f"{means.shape}; {deviations.shape} came."
        )
    if not (deviations > 0).all():
        raise SettingError(
            f"FittedStandardisation.deviation takes numbers above 0; {deviations.min():g} came among them."
        )
    return np.stack([means, deviations])


def check_map(features: tuple[int, ...], fitted: tuple[int, ...]) -> None:
    """SettingError unless maps (batch, channel, band, frame) have the channels and bands that were fitted."""
    if tuple(features[1:3]) != tuple(fitted[:2]):
        raise SettingError(
            f"FittedStandardisation.mean was fitted to maps of (channel, band) {tuple(fitted[:2])}; "
            f"{tuple(features[1:3])} came. Fit it to the steps before it as they are now."
        )


def _table(field: str, numbers: Table | None) -> np.ndarray:
    try:
        table = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError):  # rows of several lengths, or what is no number
        table = np.empty(0)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise SettingError(
            f"FittedStandardisation.{field} takes rows of finite numbers, one number for each band and one row for "
            f"each channel; {str(numbers)[:60]} came."
        )
    return table
