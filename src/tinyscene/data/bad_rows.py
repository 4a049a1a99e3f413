"""BadRows: the rows of lists that cannot be used, told all at once, or left out and counted."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError

SHOWN = 12


class BadRows:
    """Collects what is wrong with which line; `told` ends the collecting.

    skip: leave such rows out, and say how many, instead of refusing the list (--skip-bad).
    """

    def __init__(self, skip: bool = False):
        self.skip = skip
        self._found: list[tuple[Path, int, str]] = []

    def add(self, where: Path, line: int, why: str) -> None:
        """Line `line` (1 is the header) of the list `where` cannot be used."""
        self._found.append((where, line, why))

    def told(self) -> tuple[str, ...]:
        """Notes of what was left out; none where every row was good.

        Raises:
            DataError: there are bad rows and they are not to be skipped.
        """
        if not self._found:
            return ()
        self._found.sort(key=lambda row: row[:2])
        n, several = len(self._found), len({where for where, _, _ in self._found}) > 1
        shown = "; ".join(
            f"{where.name}, line {line}: {why}" if several else f"line {line}: {why}"
            for where, line, why in self._found[:SHOWN]
        )
        rest = f"; and {n - SHOWN:,} more" if n > SHOWN else ""
        if self.skip:
            rows = "1 bad row was" if n == 1 else f"{n:,} bad rows were"
            return (f"{rows} left out (--skip-bad): {shown}{rest}",)
        where = self._found[0][0].parent if several else self._found[0][0]
        rows = "one row" if n == 1 else f"{n:,} rows"
        raise DataError(f"{where} has {rows} that cannot be used: {shown}{rest}. Mend the list, or give --skip-bad.")
