"""The model file that comes with tinyscene: the ten classes of ESC-10, for a first try on any sound.

Made by benchmarks/ship_model.py; what it was trained on, and whom to thank, is in esc10.md beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

SHIPPED = Path(__file__).with_name("esc10.onnx")
_MODELS = (".onnx", ".tflite", ".pte")


def model_and_files(paths: list[Path]) -> tuple[Path, list[Path]]:
    """[MODEL] FILES... -> the model file, which is the first if it is named like one, else SHIPPED; and the rest."""
    if paths and os.fspath(paths[0]).lower().endswith(_MODELS):
        return paths[0], paths[1:]
    return SHIPPED, paths
