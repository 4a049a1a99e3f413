"""Mean spectra of devices: what spectrum correction learns from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..batch import Batch


def mean_spectra(batches: Iterable[Batch]) -> dict[str, np.ndarray]:
    """Mean over clips and frames of each device's band features, (band,) float64; clips of no device are left out."""
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    for batch in batches:
        means = batch.x.double().mean((1, 3)).cpu().numpy()
        for device, mean in zip(batch.device, means, strict=False):
            if device:
                sums[device] = sums.get(device, 0.0) + mean
                counts[device] = counts.get(device, 0) + 1
    return {device: total / counts[device] for device, total in sums.items()}


def rounded(numbers: np.ndarray) -> tuple[float, ...]:
    """Six significant digits: a curve is written into files that people read."""
    return tuple(float(f"{number:.6g}") for number in numbers)
