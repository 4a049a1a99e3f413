"""A trained front end, rebuilt from the constants its model file carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from ..errors import ModelError
from .crop import Crop
from .doubled import Doubled
from .fitted_standardisation import FittedStandardisation
from .gammatone_bank import GammatoneBank
from .gammatone_spectrogram import GammatoneSpectrogram
from .log_mel import LogMel
from .pre_emphasis import PreEmphasis
from .stacked_deltas import Deltas
from .standardised_bands import StandardisedBands
from .standardised_clip import StandardisedClip
from .standardised_deltas import StandardisedDeltas

Stage = Callable[[np.ndarray], np.ndarray]

WAVEFORM: dict[str, Callable[..., Stage]] = {part.__name__: part for part in (PreEmphasis,)}
SPECTRAL: dict[str, Callable[..., Stage]] = {
    part.__name__: part for part in (GammatoneBank, GammatoneSpectrogram, LogMel)
}
FINISH: dict[str, Callable[..., Stage]] = {
    part.__name__: part
    for part in (
        Crop,
        Deltas,
        Doubled,
        FittedStandardisation,
        StandardisedBands,
        StandardisedClip,
        StandardisedDeltas,
    )
}


def front_end(constants: Mapping[str, Any], quick_start: bool = False) -> Stage:
    """waveform (batch, time) -> features (batch, channel, band, frame), both float32.

    `constants` is {"class": "FrontEnd", "spectral": {"class": ..., numbers}, "finish": [{"class": ..., numbers}, ...],
    "waveform": [...]}, what the training package writes of its front end; `quick_start` is as LogMel says. Raises
    ModelError for a class or number this version does not have.
    """
    if constants.get("class") != "FrontEnd":
        raise ModelError(
            f"the model's front end takes the class FrontEnd; {constants.get('class')!r} came. "
            "Export the model again with this version, or upgrade tinyscene."
        )
    spectral = _part("spectral", constants.get("spectral"), SPECTRAL, quick_start=quick_start)
    before = [_part("waveform", part, WAVEFORM) for part in constants.get("waveform", ())]
    after = [_part("finish", part, FINISH) for part in constants.get("finish", ())]
    steps = [*before, spectral, *after]
    return lambda waveform: reduce(lambda x, step: step(x), steps, waveform)


def _part(step: str, constants: Any, known: Mapping[str, Callable[..., Stage]], **settings: Any) -> Stage:
    numbers = dict(constants) if isinstance(constants, Mapping) else {}
    name = numbers.pop("class", None)
    if name not in known:
        raise ModelError(
            f"the {step} step of the model's front end takes {', '.join(known)}; {name!r} came. "
            "Export the model again with this version, or upgrade tinyscene."
        )
    try:
        return known[name](**numbers, **settings)
    except TypeError as error:
        reason = str(error).replace(".__init__()", "")
        raise ModelError(
            f"the {step} step of the model's front end does not fit this version: {reason}. "
            "Export the model again with this version, or upgrade tinyscene."
        ) from None
