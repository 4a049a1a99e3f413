"""Options that several verbs take, checked before anything is begun and told by their own names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import SettingError

SHORTEST_S, LONGEST_S = 1e-3, 86_400.0


def _hop(seconds: float | None) -> float | None:
    if seconds is not None and not SHORTEST_S <= seconds <= LONGEST_S:  # nor NaN
        raise SettingError(f"--hop takes seconds, {SHORTEST_S:g} to {LONGEST_S:,.0f}; {seconds:g} came.")
    return seconds


Hop = Annotated[
    float | None, typer.Option(help="Seconds between windows (default: the window's length).", callback=_hop)
]

OneModel = Annotated[
    Path,
    typer.Argument(
        metavar="[MODEL]",
        help="A model file (.onnx).",
        show_default="the one that comes with tinyscene: ten sounds of ESC-10",
    ),
]
