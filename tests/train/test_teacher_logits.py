"""Teacher's logits: what is written is read, by name; predictions serve; files that do not fit are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyscene.errors import DataError, OutputError
from tinyscene.evaluate.predictions import COLUMNS, Predictions
from tinyscene.train import teacher_logits
from tinyscene.train.teacher_logits import read_teacher_logits, write_teacher_logits

CLASSES = ("bus", "park", "tram, yellow")
FILES = ("audio/a.wav", "audio/ä b.wav", 'audio/c"1,2.wav', "audio/d.wav")
LOGITS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32) * 9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "teacher.csv"


def listed(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("file,bus,park", *lines)) + "\n", encoding="utf-8")
    return path


def refused(path: Path, files: tuple[str, ...] = ("a.wav",), classes: tuple[str, ...] = ("bus", "park")) -> str:
    with pytest.raises(DataError) as caught:
        read_teacher_logits(path, classes, files)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_written_is_read_to_the_bit(path):
    write_teacher_logits(path, CLASSES, FILES, LOGITS)
    read = read_teacher_logits(path, CLASSES, FILES)
    assert read.dtype == np.float32
    assert read.tobytes() == LOGITS.tobytes()


def test_rows_are_found_by_name_and_more_of_them_do_no_harm(path):
    write_teacher_logits(path, CLASSES, FILES, LOGITS)
    assert np.array_equal(read_teacher_logits(path, CLASSES, [FILES[3], FILES[1]]), LOGITS[[3, 1]])


def test_the_file_is_as_documented(path):
    write_teacher_logits(path, ("bus", "park"), ["a.wav", "b.wav"], np.asarray([[1.5, -2], [0, 0.25]]))
    assert path.read_text() == "file,bus,park\na.wav,1.5,-2.0\nb.wav,0.0,0.25\n"


def test_predictions_are_a_teacher_too(path):
    probabilities = np.asarray([[0.2, 0.3, 0.5], [0, 1, 0]])
    Predictions(CLASSES, probabilities, np.asarray([0, 1]), FILES[:2], ["a", "b"]).write_csv(path)
    read = read_teacher_logits(path, CLASSES, FILES[1::-1])
    assert np.allclose(read, np.log([[1e-15, 1, 1e-15], [0.2, 0.3, 0.5]]))


def test_it_passes_over_the_columns_that_predictions_have():
    assert ("file", *teacher_logits.ABOUT) == COLUMNS


def test_a_class_may_be_called_as_a_column_of_predictions(path):
    classes = ("city", "park")
    write_teacher_logits(path, classes, ["a.wav"], LOGITS[:1, :2])
    assert np.array_equal(read_teacher_logits(path, classes, ["a.wav"]), LOGITS[:1, :2])


def test_probabilities_of_few_digits_are_probabilities(path):
    read = read_teacher_logits(listed(path, "a.wav,0.333,0.6665"), ("bus", "park"), ["a.wav"])
    assert np.allclose(read, np.log([[0.333, 0.6665]]))


def test_logits_that_are_all_above_zero_stay_logits(path):
    assert read_teacher_logits(listed(path, "a.wav,0.5,1.5"), ("bus", "park"), ["a.wav"]).tolist() == [[0.5, 1.5]]


def test_probabilities_among_logits_are_refused(path):
    text = refused(listed(path, "a.wav,0.5,0.5", "b.wav,3,-2", "c.wav,1,0", "d.wav,1,2"))
    assert text == (
        f"{path} has 2 rows that sum to 1 and 2 that do not, the first in line 3; give probabilities or logits "
        "throughout."
    )


@pytest.mark.parametrize("header", ["file,park,bus", "file,bus", "file,bus,park,tram", "name,bus,park"])
def test_other_classes_or_another_order_are_refused_with_both(path, header):
    path.write_text(f"{header}\na.wav{',1' * header.count(',')}\n")
    assert refused(path) == (
        f"{path} must have the columns file, bus, park in this order (those of a predictions CSV may stand between); "
        f"it has {header.replace(',', ', ')}."
    )


def test_clips_without_a_row_are_counted_and_three_are_named(path):
    text = refused(listed(path, "a.wav,1,2"), ("a.wav", "b.wav", "c.wav", "d.wav", "e.wav"))
    assert text.startswith(f"{path} lacks 4 of 5 training clips: b.wav, c.wav, d.wav, .... Give every training clip")


def test_an_empty_table_lacks_all_clips(path):
    assert "lacks 1 of 1 training clips: a.wav. " in refused(listed(path))


def test_bad_rows_are_told_all_at_once_with_their_lines(path):
    lines = ("a.wav,1,2", "b.wav,nan,2", "c.wav,1", "d.wav,1,-inf", "a.wav,1,2", "e.wav,,much")
    assert refused(listed(path, *lines)) == (
        f"{path} has 5 rows that cannot be used: line 3: bus takes a finite number, 'nan' came; line 4: 3 columns are "
        "needed, 2 came; line 5: park takes a finite number, '-inf' came; line 6: a.wav is in line 2 already; line 7: "
        "bus takes a finite number, '' came. Mend the list."
    )


def test_a_missing_file_is_told(path):
    assert refused(path) == f"{path} does not exist."


def test_it_is_written_whole_or_not_at_all(path, monkeypatch):
    write_teacher_logits(path, CLASSES, FILES, LOGITS)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="shorter"):
        write_teacher_logits(path, CLASSES, FILES, LOGITS[:2])
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OutputError, match="No space left"):
        write_teacher_logits(path, CLASSES, FILES, 2 * LOGITS)
    assert [file.name for file in path.parent.iterdir()] == ["teacher.csv"]
    assert path.read_bytes() == before
