"""The journal: one JSON line an epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import write_whole

JOURNAL = "journal.jsonl"


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The epochs of a journal; a line that a kill cut short is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def append_row(path: Path, row: dict[str, Any]) -> None:
    """The journal with `row` at its end, in the place of an earlier line of this epoch or a later one.

    Raises:
        OutputError: it cannot be written; the one before stays.
    """
    kept = [old for old in read_journal(path) if old["epoch"] < row["epoch"]]
    write_whole(path, "".join(json.dumps(item) + "\n" for item in [*kept, row]))
