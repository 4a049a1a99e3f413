"""Counts of a network as a package takes them: of the largest of several, in 16 bits, in the year's number types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import SettingError
from .years import Edition

NEEDED = ("parameters", "parameters_nonzero", "bytes", "bytes_nonzero", "bytes_nonzero_2020", "macs", "macs_per_s")

Counts = Mapping[str, Any]  # as evaluate.count_complexity gives them


def largest(counts: Sequence[Counts]) -> dict[str, Any]:
    """Of each count the most that any of the networks has; `bytes_by_type` is that of the network of most bytes."""
    most = max(counts, key=lambda own: own["bytes"])
    return {key: max(own[key] for own in counts) if key in NEEDED else value for key, value in most.items()}


def halved(counts: Counts) -> dict[str, Any]:
    """The counts of a float32 network with its weights in 16 bits.

    Raises:
        SettingError: another number format.
    """
    if set(counts["bytes_by_type"]) != {"float32"}:
        types = ", ".join(counts["bytes_by_type"])
        raise SettingError(f"--half takes a float32 stage; this one is stored as {types}. Leave --half out.")
    sizes = {key: counts[key] // 2 for key in ("bytes", "bytes_nonzero", "bytes_nonzero_2020")}
    return {**counts, **sizes, "bytes_by_type": {"float16": sizes["bytes"]}}


def other_types(counts: Counts, edition: Edition) -> dict[str, int]:
    """Number type -> bytes, of the types that the edition does not take."""
    types = edition.number_types
    return {kind: size for kind, size in counts["bytes_by_type"].items() if types and kind not in types}


def is_taken(counts: Counts, edition: Edition) -> bool:
    """Whether most of the network is in types that the edition takes: scales of a norm that stands by itself stay
    float in an int8 network."""
    return 2 * sum(other_types(counts, edition).values()) < counts["bytes"]
