"""What a teacher said of a run's training clips, kept in the run as teacher.csv, and whether it had heard its test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..data import Dataset
from ..errors import ModelError

TEACHER = "teacher.csv"
TOLD_BY = "teacher.json"  # who wrote it, and how many of the run's test clips that teacher had heard


def teacher_logits(training: Dataset, folder: Path, stage: str) -> np.ndarray:
    """(training clip, class) float32 of the run's teacher.csv.

    Raises:
        ModelError: the run has none.
        DataError: it has other classes, or lacks training clips.
    """
    from ..train.teacher_logits import read_teacher_logits

    path = folder / TEACHER
    if not path.is_file():
        raise ModelError(
            f"the stage {stage} learns from a teacher and {path} does not exist; name one: tinyscene train ... "
            "--teacher RUN|FILE.csv"
        )
    return read_teacher_logits(path, training.classes, list(map(str, training.files)))


def leaked(folder: Path) -> int:
    """How many test clips the teacher of the run in `folder`, or one behind it, was trained on; 0 without a teacher.

    Raises:
        ModelError: what is known of the teacher is cut or was changed.
    """
    path = folder / TOLD_BY
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["leaked"]) if path.is_file() else 0
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path} cannot be read ({error}); it is cut or was changed.") from None
