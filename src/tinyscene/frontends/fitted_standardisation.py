"""Finishing step of report 000: bands brought to the mean and deviation of the training set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..errors import DataError, SettingError
from ..runtime.fitted_standardisation import check_map, fitted_numbers

_LEAST_DEVIATION = 1e-3  # of a band that is constant in the whole training set


class FittedStandardisation(nn.Module):
    """(batch, channel, band, frame) -> (features - mean) / deviation, with one of each per channel and band.

    Report 000 leaves the scope of its normalisation open; the 2020 systems it comes from take the training set's zero
    mean and unit variance. The numbers come from `fit`; without them the features stay as they are.

    Args:
        mean, deviation: (channel, band) numbers, both or neither.

    Raises:
        SettingError: tables that do not fit each other, or not the maps that come.
    """

    def __init__(
        self,
        mean: tuple[tuple[float, ...], ...] | None = None,
        deviation: tuple[tuple[float, ...], ...] | None = None,
    ):
        super().__init__()
        numbers = fitted_numbers(mean, deviation)
        parts = (None, None) if numbers is None else torch.from_numpy(numbers).float()[..., None].unbind()
        self.register_buffer("mean", parts[0], persistent=False)
        self.register_buffer("deviation", parts[1], persistent=False)
        self.mean: Tensor | None
        self.deviation: Tensor | None

    def forward(self, bands: Tensor) -> Tensor:
        if self.mean is None or self.deviation is None:
            return bands
        check_map(bands.shape, self.mean.shape)
        return (bands - self.mean) / self.deviation

    def fit(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """{"mean": ..., "deviation": ...} of all frames of all clips, in one pass and in float64.

        Each frame weighs the same. Numbers have 7 digits, what float32 keeps, so that the model file stays small.
        """
        count, mean, squares = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for batch in batches:
            maps = batch.x.detach().cpu().double()
            n = maps.shape[0] * maps.shape[3]
            if not n:
                continue
            if count and maps.shape[1:3] != mean.shape:
                raise SettingError(
                    f"FittedStandardisation.fit takes maps of one (channel, band), {tuple(mean.shape)} in the first "
                    f"batch; {tuple(maps.shape[1:3])} came."
                )
            # Chan's way of joining two sets: a mean far from 0 takes no digits from the squares.
            own = maps.mean((0, 3))
            squares = squares + (maps - own[..., None]).square().sum((0, 3))
            squares = squares + (own - mean).square() * (count * n / (count + n))
            count, mean = count + n, mean + (own - mean) * (n / (count + n))
        if not count:
            raise DataError("FittedStandardisation.fit takes one frame or more; none came. Check the training set.")
        deviation = (squares / count).sqrt().clamp(min=_LEAST_DEVIATION)
        return {"mean": _rounded(mean), "deviation": _rounded(deviation)}


def _rounded(table: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(f"{number:.7g}") for number in row) for row in table.tolist())
