"""Predictions to figures: metrics, complexity, limits of each year, and the report page."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .complexity import count_complexity
    from .complexity_onnx import count_onnx
    from .limits import check_limits
    from .metrics import measure
    from .predictions import Predictions
    from .report import write_report
    from .spectrogram_picture import draw_spectrograms

__all__ = [
    "Predictions",
    "check_limits",
    "count_complexity",
    "count_onnx",
    "draw_spectrograms",
    "measure",
    "write_report",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Predictions": "predictions",
        "check_limits": "limits",
        "count_complexity": "complexity",
        "count_onnx": "complexity_onnx",
        "draw_spectrograms": "spectrogram_picture",
        "measure": "metrics",
        "write_report": "report",
    },
)
