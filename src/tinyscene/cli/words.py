"""Numbers in sentences."""

from __future__ import annotations


def counted(n: int, what: str, more: str = "") -> str:
    """Gives "1 file", "1,000 files": `more` is the word for several, by default with an s."""
    return f"{n:,} {what if n == 1 else more or what + 's'}"
