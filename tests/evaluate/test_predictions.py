"""Predictions: what they refuse, and that the CSV gives back the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyscene.errors import DataError, OutputError
from tinyscene.evaluate import Predictions

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


def make(**changes: object) -> Predictions:
    fields: dict[str, object] = {
        "classes": ("bus", "park"),
        "probabilities": np.array([[0.25, 0.75], [1 / 3, 2 / 3], [0.5, 0.5]]),
        "target": np.array([1, 0, 0]),
        "files": ["audio/x.wav", "audio/y, z.wav", 'say "w".wav'],
        "devices": ["a", "", "s1"],
        "cities": ["lyon", "lyon", ""],
        "recordings": ["lyon-1", "lyon-1", ""],
    }
    return Predictions(**(fields | changes))  # type: ignore[arg-type]


def assert_same(left: Predictions, right: Predictions) -> None:
    assert left.classes == right.classes
    np.testing.assert_array_equal(left.probabilities, right.probabilities)
    np.testing.assert_array_equal(left.target, right.target)
    for field in ("files", "devices", "cities", "recordings"):
        assert getattr(left, field) == getattr(right, field)


def test_csv_has_the_columns_in_the_documented_order(tmp_path: Path) -> None:
    make().write_csv(tmp_path / "p.csv")
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "file,device,city,recording,label,predicted,bus,park"
    assert lines[1] == "audio/x.wav,a,lyon,lyon-1,park,park,0.25,0.75"
    assert lines[3].endswith(",bus,bus,0.5,0.5")  # a tie goes to the first class


def test_csv_gives_back_the_same_bits_and_texts(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    make().write_csv(tmp_path / "new" / "p.csv")
    assert_same(Predictions.read_csv(tmp_path / "new" / "p.csv"), make())


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(TEXT.filter(bool), min_size=1, max_size=4, unique=True),
    rows=st.lists(st.tuples(TEXT, TEXT, st.integers(0, 3), st.floats(0, 1e300)), max_size=4),
)
def test_csv_round_trip_holds_for_any_name_and_number(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], rows: list[tuple[str, str, int, float]]
) -> None:
    predictions = Predictions(
        classes=tuple(names),
        probabilities=np.array([[row[3]] * len(names) for row in rows]).reshape(len(rows), len(names)),
        target=np.array([row[2] % len(names) for row in rows], dtype=np.int64),
        files=[row[0] for row in rows],
        recordings=[row[1] for row in rows],
    )
    path = tmp_path_factory.mktemp("csv") / "p.csv"
    predictions.write_csv(path)
    assert_same(Predictions.read_csv(path), predictions)


def test_a_class_may_be_named_like_a_column(tmp_path: Path) -> None:
    make(classes=("label", "file")).write_csv(tmp_path / "p.csv")
    assert_same(Predictions.read_csv(tmp_path / "p.csv"), make(classes=("label", "file")))


def test_files_without_label_keep_an_empty_label(tmp_path: Path) -> None:
    make(target=np.array([-1, 0, 1])).write_csv(tmp_path / "p.csv")
    assert Predictions.read_csv(tmp_path / "p.csv").target.tolist() == [-1, 0, 1]


def test_file_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    odd = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    make(files=[odd, "b", "c"]).write_csv(tmp_path / "p.csv")
    assert Predictions.read_csv(tmp_path / "p.csv").files[0] == odd


def test_unknown_columns_are_empty_strings() -> None:
    bare = Predictions(("a", "b"), np.ones((2, 2)), np.array([0, 1]))
    assert (bare.files, bare.devices, bare.cities, bare.recordings) == (("", ""),) * 4
    assert len(bare) == 2
    assert bare.probabilities.dtype == np.float64
    assert bare.target.dtype == np.int64


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"probabilities": np.ones((3, 3))}, r"takes \(n, 2\) for 2 classes; got shape \(3, 3\)"),
        ({"target": np.array([0, 1])}, r"one index for each of 3 files; got shape \(2,\)"),
        ({"target": np.array([0, 1, 2])}, r"takes 0..1, or -1 for no label; got 0..2"),
        ({"target": np.array([0.0, 1.0, 0.0])}, "takes class indices"),
        ({"classes": ("bus", "bus")}, "different names"),
        ({"devices": ["a"]}, "Predictions.devices takes one string for each of 3 files; got 1"),
        ({"probabilities": np.array([[0.5, 0.5], [np.nan, 1], [1, 0]])}, r"row 1 \(audio/y, z.wav\).*diverge"),
        ({"probabilities": np.array([[0.5, 0.5], [0, 1], [1, -0.1]])}, "row 2"),
    ],
)
def test_impossible_predictions_are_refused_with_what_came(changes: dict[str, object], text: str) -> None:
    with pytest.raises(DataError, match=text):
        make(**changes)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "got nothing"),
        ("filename\tscene_label\n", "no predictions file"),
        ("file,device,city,recording,label,predicted,bus\nx,,,,tram,bus,1\n", "row 2: label 'tram' is none of bus"),
        ("file,device,city,recording,label,predicted,bus\nx,,,,bus,bus,one\n", "row 2: a probability is no number"),
        ("file,device,city,recording,label,predicted,bus\nx,,,\n", "row 2: 7 columns expected, got 4"),
    ],
)
def test_reading_another_file_names_the_row_and_the_cause(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "p.csv").write_text(content)
    with pytest.raises(DataError, match=text):
        Predictions.read_csv(tmp_path / "p.csv")


def test_reading_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read predictions from .*none\.csv"):
        Predictions.read_csv(tmp_path / "none.csv")


def test_writing_where_a_file_stands_as_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"p\.csv cannot be written: Not a directory"):
        make().write_csv(tmp_path / "file" / "p.csv")
