"""The complexity rule of each DCASE Task 1 as data, and which of them a system keeps.

Every number is the limit of the task's rules or of its official checker; what a year counts differs:
zeros were free in 2020 and 2021 and cost as much as any weight from 2022 on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limit:
    """One line of a year's rule: `value` may not exceed `limit`. `key` names the count it is held against."""

    year: str
    rule: str
    key: str
    limit: int
    unit: str


_MACS = "multiply-accumulates for one second of audio"

LIMITS = (
    # task rules of 2020, 1B: 500 KB = 512,000 bytes, 128,000 float32; its counter skips batch norm layers
    Limit(
        "2020 1B", "500 KiB of non-zero parameters (batch norm is not counted)", "bytes_nonzero_2020", 512_000, "bytes"
    ),
    # task rules of 2021: the page says 128 KB = 32,768 float32; the baseline's own arithmetic uses 128,000 bytes
    Limit("2021 1A, kB", "128 kB of non-zero parameters, as the baseline reckons", "bytes_nonzero", 128_000, "bytes"),
    Limit(
        "2021 1A, KiB", "128 KiB of non-zero parameters, as the task page reckons", "bytes_nonzero", 131_072, "bytes"
    ),
    # task rules of 2022: all parameters including zeros, stored as INT8
    Limit(
        "2022",
        "parameters, zeros included, to be stored as int8 (the format is not checked here)",
        "parameters",
        128_000,
        "parameters",
    ),
    Limit("2022", _MACS, "macs_per_s", 30_000_000, "MACs/s"),
    # task rules of 2023: 128 kB of memory for parameters in any number format; its counter warns above 128e3
    Limit("2023", "memory of all parameters, any number format", "bytes", 128_000, "bytes"),
    Limit("2023", _MACS, "macs_per_s", 30_000_000, "MACs/s"),
    # task rules of 2024: constants of the baseline's checker
    Limit("2024", "memory of all parameters, any number format", "bytes", 128_000, "bytes"),
    Limit("2024", _MACS, "macs_per_s", 30_000_000, "MACs/s"),
    # task rules of 2025: the limits of 2024, for each device's model by itself, not for their sum
    Limit("2025", "memory of all parameters, for each device's model by itself", "bytes", 128_000, "bytes"),
    Limit("2025", f"{_MACS}, for each device's model by itself", "macs_per_s", 30_000_000, "MACs/s"),
)


def check_limits(complexity: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows {year, rule, limit, value, unit, ok}, in the order of the years.

    complexity: counts of one model, or of an ensemble, under the keys parameters, bytes, bytes_nonzero,
    bytes_nonzero_2020, macs_per_s (multiply-accumulates per second of audio). A value equal to the limit keeps it.
    Where non-zero bytes are missing, `bytes` stands in, which can only be more: a pass holds, but over is then not
    known. `ok` is None where it cannot be told, `value` is None where nothing was counted.
    """
    return [_row(rule, complexity) for rule in LIMITS]


def _row(rule: Limit, complexity: Mapping[str, Any]) -> dict[str, Any]:
    value, text = complexity.get(rule.key), rule.rule
    ok = None if value is None else bool(value <= rule.limit)
    if value is None and rule.key.startswith("bytes_nonzero") and complexity.get("bytes") is not None:
        value = complexity["bytes"]
        ok = True if value <= rule.limit else None
        text += " (zeros were not told apart, so all bytes are held against it)"
    return {"year": rule.year, "rule": text, "limit": rule.limit, "value": value, "unit": rule.unit, "ok": ok}
