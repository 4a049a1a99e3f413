"""Problems: what is wrong with a file, the first ones in full and then a count, however many there are."""

from __future__ import annotations

FIRST = 20


def printable(text: str) -> str:
    """The text with every letter that a terminal would act on, or could not show, written as an escape."""
    return text if text.isprintable() else "".join(x if x.isprintable() else ascii(x)[1:-1] for x in text)


class Problems:
    """A list that stays short: `add` as often as needed, `lines` gives the first 20 and how many more there are."""

    def __init__(self, where: str = ""):
        self.count = 0
        self._where = f"{where}: " if where else ""
        self._first: list[str] = []

    def add(self, text: str) -> None:
        """One more problem."""
        self.count += 1
        if self.count <= FIRST:
            self._first.append(self._where + text)

    def extend(self, texts: list[str]) -> None:
        """Several more."""
        for text in texts:
            self.add(text)

    @property
    def lines(self) -> list[str]:
        """The first problems, and a last line that counts the others."""
        more = self.count - len(self._first)
        return [*self._first, f"{self._where}and {more:,} more"] if more else list(self._first)
