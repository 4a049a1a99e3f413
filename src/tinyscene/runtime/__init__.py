"""What goes on the device: numpy, scipy's FFT, onnxruntime and soundfile, never torch.

Public names are loaded when first asked for, so importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .classifier import Classifier, Decision, ShortClipWarning, SilenceWarning, classify
    from .filterbanks import mel_filterbank
    from .log_mel import LogMel
    from .model_file import ModelCard, read_model_file
    from .standardised_deltas import StandardisedDeltas
    from .windows import cut_windows, fill_window, window_starts

__all__ = [
    "Classifier",
    "Decision",
    "LogMel",
    "ModelCard",
    "ShortClipWarning",
    "SilenceWarning",
    "StandardisedDeltas",
    "classify",
    "cut_windows",
    "fill_window",
    "mel_filterbank",
    "read_model_file",
    "window_starts",
]

_HOMES = {
    **dict.fromkeys(["Classifier", "Decision", "ShortClipWarning", "SilenceWarning", "classify"], ".classifier"),
    "mel_filterbank": ".filterbanks",
    "LogMel": ".log_mel",
    **dict.fromkeys(["ModelCard", "read_model_file"], ".model_file"),
    "StandardisedDeltas": ".standardised_deltas",
    **dict.fromkeys(["cut_windows", "fill_window", "window_starts"], ".windows"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
