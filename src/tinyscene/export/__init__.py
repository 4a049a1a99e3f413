"""Trained networks as files for other runtimes."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .graph import Deployed, traced
    from .model_file import FORMS, Export, write_model
    from .slimming import slim

__all__ = ["FORMS", "Deployed", "Export", "slim", "traced", "write_model"]

__getattr__ = lazy_names(
    __name__,
    {
        "FORMS": "model_file",
        "Deployed": "graph",
        "Export": "model_file",
        "slim": "slimming",
        "traced": "graph",
        "write_model": "model_file",
    },
)
