"""tinyscene: acoustic scene classifiers that fit in 128 kB and 30 million multiply-accumulates a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Classifier", "classify", "load_system", "systems"]

if TYPE_CHECKING:
    from .runtime import Classifier, classify
    from .systems import load_system, systems


def __getattr__(name: str) -> object:
    if name in ("classify", "Classifier"):
        from . import runtime

        return getattr(runtime, name)
    if name in ("load_system", "systems"):
        from importlib import import_module

        return getattr(import_module(".systems", __name__), name)
    raise AttributeError(f"module 'tinyscene' has no attribute '{name}'")
