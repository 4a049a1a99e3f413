"""Powers to levels: the logarithms of the spectral steps, and their checks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import SettingError, unknown

# log10 and dB by way of the natural logarithm, which numpy vectorises; in place, since x is nobody else's.
LOGS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "log10": lambda x, floor: _ln(np.add(x, np.float32(floor), out=x), 1.0 / np.log(10.0)),
    "ln": lambda x, floor: _ln(np.add(x, np.float32(floor), out=x), 1.0),
    "db": lambda x, floor: _ln(np.maximum(x, np.float32(floor), out=x), 10.0 / np.log(10.0)),
}


def check_log(owner: str, log: str, floor: float) -> None:
    """SettingError unless `log` is known and `floor` is a power above 0 that float32 can hold."""
    if log not in LOGS:
        raise unknown(owner, "log", log, LOGS)
    check_floor(owner, floor)


def check_floor(owner: str, floor: float) -> None:
    """SettingError unless `floor` is above 0 in float32, so that silence has a logarithm."""
    if not 1e-37 <= floor < np.inf:
        raise SettingError(f"{owner}.floor takes a number above 0 (from 1e-37); {floor} came.")


def _ln(x: np.ndarray, factor: float) -> np.ndarray:
    return np.multiply(np.log(x, out=x), np.float32(factor), out=x)
