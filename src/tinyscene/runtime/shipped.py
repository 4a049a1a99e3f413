"""The model file that comes with tinyscene: the ten classes of ESC-10, for a first try on any sound.

Made by benchmarks/ship_model.py; what it was trained on, and whom to thank, is in esc10.md beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import SettingError

SHIPPED = Path(__file__).with_name("esc10.onnx")
_MODELS = (".onnx", ".tflite", ".pte")


def model_and_files(paths: list[Path]) -> tuple[Path, list[Path]]:
    """[MODEL] FILES... -> the model file, which is the first if it is named like one, else SHIPPED; and the rest.

    Raises:
        SettingError: a model file behind the first.
    """
    if paths and _is_model(paths[0]):
        return paths[0], paths[1:]
    late = next((path for path in paths if _is_model(path)), None)
    if late is not None:
        raise SettingError(f"{late} is a model file and stands behind {paths[0]}; the model comes first.")
    return SHIPPED, paths


def _is_model(path: Path) -> bool:
    return os.fspath(path).lower().endswith(_MODELS)
