"""Which reader a path is for, and what is missing on disk."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tinyscene.data import fold_split, open_dataset
from tinyscene.errors import DataError

DATA = os.environ.get("TINYSCENE_DATA")


ADVICE = "Get them, or give --skip-bad to go on without them."


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
    assert told(path) == f"{path} lists 6 clips, 4 of them are not on disk: 1.wav, 3.wav, 4.wav, .... {ADVICE}"
    touch(tmp_path, "1.wav", "3.wav", "4.wav")
    assert told(path) == f"{path} lists 6 clips, 1 of them are not on disk: 5.wav. {ADVICE}"


def test_a_path_that_is_not_there_is_told(tmp_path):
    assert told(tmp_path / "no") == f"the data set {tmp_path / 'no'} does not exist."


def test_an_unknown_column_is_told_with_those_there_are(table):
    assert (
        told(table, {"lable": "kind"})
        == "--column takes file, label, fold, device, city, recording, only; 'lable' came."
    )


@pytest.mark.skipif(not DATA, reason="TINYSCENE_DATA is not set: ESC-10 is not opened")
def test_esc10_has_400_clips_in_5_folds_of_80_that_part_recordings():
    made = open_dataset(Path(str(DATA)) / "esc10")
    assert (len(made), len(made.classes)) == (400, 10)
    assert Counter(made.target.tolist()) == dict.fromkeys(range(10), 40)
    for fold in "12345":
        split = fold_split(made, fold)
        assert (len(split.train), len(split.test)) == (320, 80)
        assert set(made.recording[split.train]).isdisjoint(made.recording[split.test])


def test_what_is_not_on_disk_can_be_left_out_and_what_is_in_no_list_is_told(tmp_path):
    (tmp_path / "list.csv").write_text("file,label\n0.wav,a\n1.wav,b\n2.wav,a\n3.wav,b\n")
    touch(tmp_path, "0.wav", "1.wav", "2.wav", "extra.wav", "notes.txt")
    made = open_dataset(tmp_path / "list.csv", skip_bad=True)
    assert made.files.tolist() == ["0.wav", "1.wav", "2.wav"]
    assert "1 of them are not on disk: 3.wav. They were left out" in made.notes[0]
    assert made.notes[1] == "1 audio files beside the listed ones are in no list: extra.wav."
    empty = touch(tmp_path / "empty", "list.txt")
    (empty / "list.csv").write_text("file,label\n0.wav,a\n1.wav,b\n")
    with pytest.raises(DataError, match="2 of them are not on disk"):
        open_dataset(empty / "list.csv", skip_bad=True)


ESC_50 = "filename,fold,target,category,esc10,src_file,take\n" + "".join(
    f"{fold}-{source}-A-{target}.wav,{fold},{target},{name},{esc10},{source},A\n"
    for fold, source, target, name, esc10 in [
        (1, 100, 0, "dog", True),
        (2, 101, 0, "dog", True),
        (1, 102, 10, "rain", True),
        (1, 103, 7, "cat", False),
    ]
)


def test_esc_50_lies_as_published_and_esc_10_is_in_it(tmp_path):
    touch(tmp_path, "meta/x", *(f"audio/{name}.wav" for name in ("1-100-A-0", "2-101-A-0", "1-102-A-10", "1-103-A-7")))
    (tmp_path / "meta" / "esc50.csv").write_text(ESC_50)
    made = open_dataset(tmp_path)
    assert made.classes == ("cat", "dog", "rain")
    assert made.fold.tolist() == ["1", "2", "1", "1"]
    assert made.recording.tolist() == ["100", "101", "102", "103"]
    assert made.name == tmp_path.name
    assert open_dataset(tmp_path, {"only": "esc10"}).classes == ("dog", "rain")


def test_urbansound8k_lies_as_published(tmp_path):
    names = ("audio/fold5/100032-3-0-0.wav", "audio/fold10/100263-2-0-117.wav")
    touch(tmp_path, "metadata/x", *names)
    (tmp_path / "metadata" / "UrbanSound8K.csv").write_text(
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n"
        "100263-2-0-117.wav,100263,58.5,62.5,1,10,2,children_playing\n"
    )
    made = open_dataset(tmp_path)
    assert made.files.tolist() == list(names)
    assert made.fold.tolist() == ["5", "10"]
    assert made.recording.tolist() == ["100032", "100263"]
    assert made.classes == ("children_playing", "dog_bark")


def test_a_folder_of_clips_will_do_where_no_classes_are_asked_for(tmp_path):
    touch(tmp_path, "b.wav", "a.wav", "deep/c.flac", ".hidden.wav", "notes.txt")
    made = open_dataset(tmp_path, labelled=False)
    assert (made.files.tolist(), made.target.tolist()) == (["a.wav", "b.wav", "deep/c.flac"], [-1, -1, -1])
    with pytest.raises(DataError, match="lists no clips"):
        open_dataset(touch(tmp_path / "empty", "x.txt"), labelled=False)
