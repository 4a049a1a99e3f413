"""What Python code hands to the runtime, held to its kind: numbers, arrays and paths that are none are told as such."""

from __future__ import annotations

import math
import os
import reprlib
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from ..errors import AudioError, ModelError, SettingError, TinysceneError, within

if TYPE_CHECKING:
    import numpy as np

LONGEST_HOP_S = 86_400.0


def whole(
    field: str,
    value: Any,
    low: int | None = None,
    high: int | None = None,
    error: type[TinysceneError] = SettingError,
) -> int:
    """`value` as an int; `field` is "Owner.field".

    Raises `error` for what is no whole number, SettingError for one outside `low` to `high` (None: no end).
    """
    if not _is_number(value) or not (isinstance(value, Integral) or float(value).is_integer()):
        raise error(f"{field} takes a whole number; {shown(value)} came.")
    if low is not None:
        within(field, int(value), low, high)
    return int(value)


def number(field: str, value: Any) -> float:
    """`value` as a float, infinity for what is larger than floats are. Raises SettingError for what is no number."""
    if not _is_number(value):
        raise SettingError(f"{field} takes a number; {shown(value)} came.")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def array(field: str, value: Any) -> np.ndarray:
    """`value`, once it is known to be a numpy array of real numbers. Raises AudioError for anything else."""
    import numpy as np

    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        return value
    came = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise AudioError(
        f"{field} takes a numpy array of numbers; {came} came. Make one with numpy.asarray(x, dtype='float32')."
    )


def path_text(what: str, value: Any, error: type[TinysceneError] = ModelError) -> str:
    """A path as text. Raises `error` for what is none."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise error(f"{what} takes a path; {shown(value)} came.")
    return os.fsdecode(value)


def shown(value: Any) -> str:
    """A value as a message tells it: in one line, not a long one."""
    return " ".join(reprlib.repr(value).split())


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
