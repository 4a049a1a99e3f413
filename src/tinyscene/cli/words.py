"""Numbers in sentences, and the notes that several verbs end with."""

from __future__ import annotations


def counted(n: int, what: str, more: str = "") -> str:
    """Gives "1 file", "1,000 files": `more` is the word for several, by default with an s."""
    return f"{n:,} {what if n == 1 else more or what + 's'}"


def guesses(model: object, silent: int, low_rate: int) -> list[str]:
    """What to tell of clips whose answers mean little: how many are silent, how many of too low a rate."""
    notes = []
    if silent:
        notes.append(
            f"note: {counted(silent, 'file is', 'files are')} digital silence; what is said of them is a guess."
        )
    if low_rate:
        notes.append(
            f"note: {counted(low_rate, 'file has', 'files have')} a sample rate too low for {model}: what lies above "
            "half of it is missing, so answers may be wrong."
        )
    return notes
