"""Asking a teacher, a run or a file, what it says of a run's training clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError, SettingError
from ..files import write_whole
from ..system import System
from .run_folder import write_json
from .teacher_file import TEACHER, TOLD_BY, leaked

if TYPE_CHECKING:
    from .preparing import Prepared


def take_logits(student: Prepared, path: Path, folder: Path) -> None:
    """Copy a file of a teacher's logits into the student's run, if it serves.

    Raises:
        DataError: it has other classes, or lacks training clips.
        SettingError: no stage of the student listens to a teacher.
    """
    from ..train.teacher_logits import read_teacher_logits

    check_teacher(student.system, path, False)
    if not path.is_file():
        raise DataError(f"the teacher {path} does not exist; name a run folder, or a CSV with a row a training clip.")
    training = student.dataset.take(student.split.train)
    read_teacher_logits(path, training.classes, list(map(str, training.files)))
    write_whole(folder / TEACHER, path.read_bytes())


def ask_teacher(student: Prepared, teacher: Prepared, run: Path, folder: Path, leak: bool = False) -> None:
    """Write what the run of `teacher`, its last training stage, says of the student's training clips.

    leak: whether the teacher, or its own teacher, may have been trained on the student's test clips, as the teachers of
    students 2 and 3 of report 000 were. The student itself never sees a test clip.

    Raises:
        DataError: other classes, or a teacher that knows of the student's test clips (without `leak`).
        ModelError: the teacher is not trained.
        SettingError: no stage of the student listens to a teacher.
    """
    from ..train import predict
    from ..train.teacher_logits import write_teacher_logits
    from .stages import restore

    check_teacher(student.system, run, leak)
    own, other = student.dataset.classes, teacher.dataset.classes
    if own != other:
        raise DataError(f"the teacher {run} tells {', '.join(other)} apart, the student {', '.join(own)}.")
    test = _heard_by(teacher, student)
    if test and not leak:
        raise DataError(
            f"the teacher {run} was trained on {len(test):,} of the student's test clips, first {test[0]}: what it "
            "says of others would tell of them. Take one with the same split, or say --leak to do it all the same."
        )
    handed_down = leaked(run)
    if handed_down and not leak:
        raise DataError(
            f"the teacher {run} learned from one that was trained on {handed_down:,} of its test clips. Take another "
            "one, or say --leak to do it all the same."
        )
    network = restore(teacher, run)
    rows = student.split.train
    store = teacher.on(student.dataset).store(rows, "windows")
    probabilities = predict(network, teacher.front_end.finish, teacher.decide, store, np.arange(len(store)))
    files = [str(file) for file in student.dataset.files[rows]]
    write_json(folder / TOLD_BY, {"run": str(run), "leaked": max(len(test), handed_down)})
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


def check_teacher(system: System, teacher: Path | None, leak: bool) -> None:
    """Whether a run of the system needs a teacher and has one.

    Raises:
        SettingError: it needs one and none came, one came that no stage listens to, or a leak is allowed of nobody.
    """
    from .recipe import stages_of

    listening = [stage.name for stage in stages_of(system) if stage.taught]
    if teacher is None and leak:
        raise SettingError("--leak allows a teacher to know of test clips; give it together with --teacher.")
    if teacher is None and listening:
        raise SettingError(
            f"the stage {listening[0]} of {system.name} learns from a teacher; name one with --teacher RUN|FILE.csv, "
            f"or train without: --set recipe.{listening[0]}.weight=0."
        )
    if teacher is not None and not listening:
        raise SettingError(
            f"no stage of {system.name} learns from a teacher; leave --teacher away, or take a system with the stage "
            "Distill and a weight above 0."
        )
