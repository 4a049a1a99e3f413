"""Which reader a path is for, and what is missing on disk."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tinyscene.data import fold_split, open_dataset
from tinyscene.errors import DataError

DATA = os.environ.get("TINYSCENE_DATA")


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def told(*arguments) -> str:
    with pytest.raises(DataError) as caught:
        open_dataset(*arguments)
    return str(caught.value)


@pytest.fixture
def table(tmp_path):
    """A folder with two clips on disk, a meta.csv that lists them, and one folder per class."""
    touch(tmp_path, "rain/1.wav", "dog/2.wav")
    (tmp_path / "meta.csv").write_text("file,label,kind\nrain/1.wav,wet,x\ndog/2.wav,pet,y\n")
    return tmp_path


def test_a_folder_with_meta_csv_is_a_table(table):
    assert open_dataset(table).classes == ("pet", "wet")
    assert open_dataset(str(table / "meta.csv")).classes == ("pet", "wet")


def test_a_folder_without_it_is_a_folder_per_class(table):
    (table / "meta.csv").unlink()
    assert open_dataset(table).classes == ("dog", "rain")


def test_a_folder_with_lists_is_a_tau_set_unless_columns_are_named(table):
    touch(table, "audio/bus-lyon-1-2-a.wav", "audio/tram-lyon-1-3-b.wav")
    setup = table / "evaluation_setup"
    setup.mkdir()
    (setup / "fold1_train.csv").write_text("filename\tscene_label\naudio/bus-lyon-1-2-a.wav\tbus\n")
    (setup / "fold1_evaluate.csv").write_text("filename\tscene_label\naudio/tram-lyon-1-3-b.wav\ttram\n")
    assert open_dataset(table).classes == ("bus", "tram")
    assert open_dataset(table, {"label": "kind"}).classes == ("x", "y")


def test_missing_clips_are_counted_and_the_first_three_named(tmp_path):
    rows = "".join(f"{i}.wav,{'ab'[i % 2]}\n" for i in range(6))
    (tmp_path / "list.csv").write_text("file,label\n" + rows)
    touch(tmp_path, "0.wav", "2.wav")
    path = tmp_path / "list.csv"
    assert told(path) == f"{path} lists 6 clips, 4 of them are not on disk: 1.wav, 3.wav, 4.wav, ...."
    touch(tmp_path, "1.wav", "3.wav", "4.wav")
    assert told(path) == f"{path} lists 6 clips, 1 of them are not on disk: 5.wav."


def test_a_path_that_is_not_there_is_told(tmp_path):
    assert told(tmp_path / "no") == f"the data set {tmp_path / 'no'} does not exist."


def test_an_unknown_column_is_told_with_those_there_are(table):
    assert told(table, {"lable": "kind"}) == "--column takes file, label, fold, device, city, recording; 'lable' came."


@pytest.mark.skipif(not DATA, reason="TINYSCENE_DATA is not set: ESC-10 is not opened")
def test_esc10_has_400_clips_in_5_folds_of_80_that_part_recordings():
    made = open_dataset(Path(str(DATA)) / "esc10")
    assert (len(made), len(made.classes)) == (400, 10)
    assert Counter(made.target.tolist()) == dict.fromkeys(range(10), 40)
    for fold in "12345":
        split = fold_split(made, fold)
        assert (len(split.train), len(split.test)) == (320, 80)
        assert set(made.recording[split.train]).isdisjoint(made.recording[split.test])
