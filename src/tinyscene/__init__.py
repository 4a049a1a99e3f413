"""tinyscene: acoustic scene classifiers that fit in 128 kB and 30 million multiply-accumulates a second."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

# onnxruntime from 1.31 tells its maker of each session that it opens, unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["Classifier", "classify", "load_system"]

if TYPE_CHECKING:
    from .runtime import Classifier, classify
    from .systems import load_system


def __getattr__(name: str) -> object:
    if name in ("classify", "Classifier"):
        from . import runtime

        return getattr(runtime, name)
    if name == "load_system":
        from .systems import load_system

        return load_system
    raise AttributeError(f"module 'tinyscene' has no attribute '{name}'")
