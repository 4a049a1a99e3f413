"""Options that several verbs take, checked before anything is begun and told by their own names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import SettingError, within
from ..runtime.arguments import LONGEST_HOP_S

SHORTEST_S = 1e-3


def _hop(seconds: float | None) -> float | None:
    if seconds is not None and not SHORTEST_S <= seconds <= LONGEST_HOP_S:  # nor NaN
        raise SettingError(f"--hop takes seconds, {SHORTEST_S:g} to {LONGEST_HOP_S:,.0f}; {seconds:g} came.")
    return seconds


Hop = Annotated[
    float | None, typer.Option(help="Seconds between windows (default: the window's length).", callback=_hop)
]


def _unknown_below(score: float | None) -> float | None:
    if score is not None:
        within("--unknown-below", score, 0, 1)
    return score


UnknownBelow = Annotated[
    float | None,
    typer.Option(
        "--unknown-below",
        help="Score, 0 to 1, below which a decision is unknown (default: the model's).",
        callback=_unknown_below,
    ),
]

_SOUNDS = (".wav", ".mp3", ".ogg", ".flac", ".m4a", ".aac", ".aif", ".aiff", ".opus")


def _model(path: Path) -> Path:
    if path.suffix.lower() in _SOUNDS:
        raise SettingError(
            f"{path} is a sound, and a model file is taken here. `tinyscene classify` takes sounds, `listen` does with "
            "--wav, and on the page of `web` they are dropped."
        )
    return path


OneModel = Annotated[
    Path,
    typer.Argument(
        metavar="[MODEL]",
        callback=_model,
        help="A model file (.onnx).",
        show_default="the one that comes with tinyscene: ten sounds of ESC-10",
    ),
]
