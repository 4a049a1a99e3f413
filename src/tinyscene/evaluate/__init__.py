"""Predictions to figures: metrics, complexity, limits of each year, and the report page."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .boards import estimate_boards
    from .complexity import blocks, ensemble, without_layers
    from .complexity_litert import count_litert
    from .complexity_onnx import count_onnx
    from .complexity_torch import count_complexity
    from .limits import check_limits
    from .metrics import measure
    from .predicting import predict_dataset
    from .predictions import Predictions
    from .report import write_report
    from .scores import rank_2023, score_2024
    from .spectrogram_picture import draw_spectrograms

__all__ = [
    "Predictions",
    "blocks",
    "check_limits",
    "count_complexity",
    "count_litert",
    "count_onnx",
    "draw_spectrograms",
    "ensemble",
    "estimate_boards",
    "measure",
    "predict_dataset",
    "rank_2023",
    "score_2024",
    "without_layers",
    "write_report",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Predictions": "predictions",
        "blocks": "complexity",
        "check_limits": "limits",
        "count_complexity": "complexity_torch",
        "count_litert": "complexity_litert",
        "count_onnx": "complexity_onnx",
        "draw_spectrograms": "spectrogram_picture",
        "ensemble": "complexity",
        "estimate_boards": "boards",
        "measure": "metrics",
        "predict_dataset": "predicting",
        "rank_2023": "scores",
        "score_2024": "scores",
        "without_layers": "complexity",
        "write_report": "report",
    },
)
