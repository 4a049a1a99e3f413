"""What was heard of a clip besides its decisions, and what there is to be warned of."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .classifier import Decision
    from .model_file import ModelCard

_ENOUGH = 0.9  # of what a model hears: a resampler lets no more of a band through anyway


class SilenceWarning(UserWarning):
    """A clip that holds digital silence: its answer means nothing."""


class ShortClipWarning(UserWarning):
    """A clip shorter than the model's window, which was repeated to fill it."""


class LowRateWarning(UserWarning):
    """A clip whose sample rate leaves out frequencies that the model hears."""


class Heard(NamedTuple):
    """Decisions on a clip called `name`.

    `silent` tells whether it is digital silence throughout, `missing` what its rate leaves out ("": nothing).
    """

    decisions: tuple[Decision, ...]
    name: str
    duration_s: float
    silent: bool
    missing: str


def missing_above(rate: int, card: ModelCard) -> str:
    """What sound of `rate` Hz lacks of what the model hears, in a sentence; "" where that is next to nothing."""
    spectral = card.frontend.get("spectral", {})  # a network on waveforms hears all that its rate holds
    highest = min(spectral.get("f_max") or card.sample_rate_hz / 2, card.sample_rate_hz / 2)
    if rate / 2 >= _ENOUGH * highest:
        return ""
    return (
        f"{rate:,} Hz came and {card.name} takes {card.sample_rate_hz:,} Hz: what lies above {rate // 2:,} Hz is "
        "missing, so answers may be wrong."
    )


def warn_of(heard: Heard, card: ModelCard) -> None:
    """Warn, in the name of whoever called our caller."""
    where = heard.name or "the clip"
    if heard.silent:
        warnings.warn(f"{where} is digital silence; its scene is a guess. Check the recording.", SilenceWarning, 3)
    window_s = card.window_samples / card.sample_rate_hz
    if heard.duration_s < window_s * (1 - 1e-3):
        warnings.warn(
            f"{where} lasts {heard.duration_s:.3g} s and was repeated to fill the window of {window_s:.3g} s. "
            "Record longer for a surer answer.",
            ShortClipWarning,
            3,
        )
    if heard.missing:
        warnings.warn(f"{where}: {heard.missing} Record at a higher rate.", LowRateWarning, 3)
