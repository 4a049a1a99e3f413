"""How much memory the maps of a network need at one time, when its operations run one after the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """One operation: the pieces of memory it reads and writes. An element-wise one may write over what it reads."""

    reads: tuple[Hashable, ...]
    writes: tuple[Hashable, ...]
    elementwise: bool = False


def peak_bytes(
    steps: Sequence[Step], size: Mapping[Any, int], given: Iterable[Hashable], kept: Iterable[Hashable]
) -> int:
    """The most bytes alive at one step.

    A piece lives from the step that first writes it (`given` ones from the start) to the last step that touches it
    (`kept` ones to the end). While a step runs, what it reads and what it writes are both alive, except that the
    output of an element-wise step lies over an input of at least its size which dies there.
    """
    birth = dict.fromkeys(given, 0)
    death = {}
    for i, step in enumerate(steps):
        for piece in (*step.reads, *step.writes):
            birth.setdefault(piece, i)
            death[piece] = i
    death |= dict.fromkeys(kept, len(steps))
    peak = sum(size[piece] for piece in set(given))
    alive, waiting = 0, sorted((start, str(piece), piece) for piece, start in birth.items())
    ends: dict[int, int] = {}
    next_born = 0
    for i, step in enumerate(steps):
        while next_born < len(waiting) and waiting[next_born][0] <= i:
            piece = waiting[next_born][2]
            next_born += 1
            if piece in death:
                alive += size[piece]
                ends[death[piece]] = ends.get(death[piece], 0) + size[piece]
        over = 0
        if step.elementwise:
            made = max((size[piece] for piece in step.writes if birth[piece] == i), default=0)
            dying = [size[piece] for piece in step.reads if death[piece] == i and piece not in step.writes]
            over = made if made and made <= max(dying, default=0) else 0
        peak = max(peak, alive - over)
        alive -= ends.pop(i, 0)
    return peak
