"""A system as rows of a table: dotted path (what --set takes) and value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from ..spec import Spec
from ..system import System


def sheet(system: System) -> list[tuple[str, str]]:
    """Every number of the system, in the order of the way of the data."""
    rows = []
    for part in ("task", "frontend", "augment", "model", "recipe", "inference"):
        rows += list(_rows(part, getattr(system, part)))
    return rows


def _rows(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Spec):
        yield path, value.target.__name__
        ours = value.target.__module__.startswith("tinyscene")
        for key, inner in (value.fields if ours else value.numbers).items():  # a library's other defaults are its own
            if key != "name":
                yield from _rows(f"  {path}.{key}", inner)
    elif hasattr(value, "__dataclass_fields__"):
        for item in fields(value):
            yield from _rows(f"{path}.{item.name}", getattr(value, item.name))
    elif isinstance(value, tuple) and value and all(isinstance(item, Spec) for item in value):
        for item in value:
            yield from _rows(f"{path}.{item.name}", item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _rows(f"{path}.{key}", inner)
    else:
        yield path, (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)
