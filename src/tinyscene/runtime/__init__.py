"""What goes on the device: numpy, scipy's FFT, onnxruntime and soundfile, never torch.

Public names are loaded when first asked for, so importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .batch import classify_tree
    from .classifier import Classifier, Decision, classify
    from .filterbanks import mel_filterbank
    from .hearing import LowRateWarning, ShortClipWarning, SilenceWarning
    from .log_mel import LogMel
    from .model_file import ModelCard, read_model_file
    from .standardised_deltas import StandardisedDeltas
    from .stream import Stream, StreamDecision
    from .windows import cut_windows, fill_window, window_starts

__all__ = [
    "Classifier",
    "Decision",
    "LogMel",
    "LowRateWarning",
    "ModelCard",
    "ShortClipWarning",
    "SilenceWarning",
    "StandardisedDeltas",
    "Stream",
    "StreamDecision",
    "classify",
    "classify_tree",
    "cut_windows",
    "fill_window",
    "mel_filterbank",
    "read_model_file",
    "window_starts",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Classifier": "classifier",
        "Decision": "classifier",
        "LogMel": "log_mel",
        "LowRateWarning": "hearing",
        "ModelCard": "model_file",
        "ShortClipWarning": "hearing",
        "SilenceWarning": "hearing",
        "StandardisedDeltas": "standardised_deltas",
        "Stream": "stream",
        "StreamDecision": "stream",
        "classify": "classifier",
        "classify_tree": "batch",
        "cut_windows": "windows",
        "fill_window": "windows",
        "mel_filterbank": "filterbanks",
        "read_model_file": "model_file",
        "window_starts": "windows",
    },
)
