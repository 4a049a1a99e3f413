"""What a teacher says of a run's training clips: asked once, kept in the run as teacher.csv."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..data import Dataset
from ..errors import DataError, ModelError, SettingError
from ..files import write_whole

if TYPE_CHECKING:
    from .preparing import Prepared

TEACHER = "teacher.csv"


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


def take_logits(student: Prepared, path: Path, folder: Path) -> None:
    """Copy a file of a teacher's logits into the student's run, if it serves.

    Raises:
        DataError: it has other classes, or lacks training clips.
        SettingError: no stage of the student listens to a teacher.
    """
    from ..train.teacher_logits import read_teacher_logits

    _listens(student)
    training = student.dataset.take(student.split.train)
    read_teacher_logits(path, training.classes, list(map(str, training.files)))
    write_whole(folder / TEACHER, path.read_bytes())


def ask_teacher(student: Prepared, teacher: Prepared, run: Path, folder: Path, leak: bool = False) -> None:
    """Write what the run of `teacher`, its last training stage, says of the student's training clips.

    leak: whether the teacher may have been trained on the student's test clips, as the teachers of students 2 and 3 of
    report 000 were. The student itself never sees a test clip.

    Raises:
        DataError: other classes, or a teacher that was trained on the student's test clips (without `leak`).
        ModelError: the teacher is not trained.
        SettingError: no stage of the student listens to a teacher.
    """
    from ..train import predict
    from ..train.teacher_logits import write_teacher_logits
    from .stages import restore

    _listens(student)
    own, other = student.dataset.classes, teacher.dataset.classes
    if own != other:
        raise DataError(f"the teacher {run} tells {', '.join(other)} apart, the student {', '.join(own)}.")
    test = _heard_by(teacher, student)
    if test and not leak:
        raise DataError(
            f"the teacher {run} was trained on {len(test):,} of the student's test clips, first {test[0]}: what it "
            "says of others would tell of them. Take one with the same split, or say --leak to do it all the same."
        )
    network = restore(teacher, run)
    rows = student.split.train
    store = teacher.on(student.dataset).store(rows, "windows")
    probabilities = predict(network, teacher.front_end.finish, teacher.decide, store, np.arange(len(store)))
    files = [str(file) for file in student.dataset.files[rows]]
    write_teacher_logits(folder / TEACHER, own, files, np.log(probabilities.clip(1e-15)))


def _heard_by(teacher: Prepared, student: Prepared) -> list[str]:
    """The student's test clips that its teacher was trained on: by name, or by a recording of which the student has no
    training clip itself (editions of a data set cut the same recordings into clips of other names)."""
    theirs, own = teacher.dataset.take(teacher.split.train), student.dataset.take(student.split.train)
    test = student.dataset.take(student.split.test)
    recordings = set(map(str, theirs.recording)) - set(map(str, own.recording)) - {""}
    heard = np.isin(test.files.astype(str), theirs.files.astype(str))
    heard |= np.isin(test.recording.astype(str), sorted(recordings))
    return [str(file) for file in test.files[heard]]


def _listens(student: Prepared) -> None:
    from .recipe import stages_of

    if not any(stage.taught for stage in stages_of(student.system)):
        raise SettingError(
            f"no stage of {student.system.name} learns from a teacher; leave --teacher away, or take a system with the "
            "stage Distill and a weight above 0."
        )
