"""A folder per class: what parts recordings, what is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyscene.data.folders import open_folders
from tinyscene.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_sub_folders_are_classes_in_order(tmp_path):
    touch(tmp_path, "rain/2.wav", "rain/1.FLAC", "dog/x.ogg", "dog/notes.txt", "README.md")
    made = open_folders(tmp_path)
    assert made.classes == ("dog", "rain")
    assert made.files.tolist() == ["dog/x.ogg", "rain/1.FLAC", "rain/2.wav"]
    assert made.target.tolist() == [0, 1, 1]
    assert made.name == tmp_path.name


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    touch(tmp_path, "rain/1.wav", "rain/._1.wav", "dog/1.wav", ".trash/1.wav")
    assert open_folders(tmp_path).files.tolist() == ["dog/1.wav", "rain/1.wav"]


def test_esc_names_part_recordings_by_their_source(tmp_path):
    touch(
        tmp_path, "dog/1-100-A.ogg", "dog/1-100-B.ogg", "dog/2-101-A.ogg", "rain/1-200-A-10.wav", "rain/3-201-C-10.wav"
    )
    made = open_folders(tmp_path)
    assert made.recording.tolist() == ["100", "100", "101", "200", "201"]
    assert made.notes == ()


def test_deeper_folders_part_recordings(tmp_path):
    touch(tmp_path, "dog/mon/1.wav", "dog/mon/2.wav", "dog/tue/1.wav", "rain/mon/1.wav", "rain/mon/deep/1.wav")
    made = open_folders(tmp_path)
    assert made.recording.tolist() == ["dog/mon", "dog/mon", "dog/tue", "rain/mon", "rain/mon/deep"]
    assert made.notes == ()


def test_files_that_say_nothing_are_recordings_of_their_own_and_counted_in_a_note(tmp_path):
    touch(tmp_path, "dog/a.wav", "dog/b.wav", "rain/mon/1.wav")
    made = open_folders(tmp_path)
    assert made.recording.tolist() == ["dog/a.wav", "dog/b.wav", "rain/mon"]
    assert made.notes[0].startswith("2 of 3 files say nothing of their source: each counts as its own recording.")


def test_a_folder_without_audio_says_what_may_be_given(tmp_path):
    touch(tmp_path, "dog/notes.txt")
    with pytest.raises(DataError, match=r"holds no data set: give a folder per class with audio files \(\.wav"):
        open_folders(tmp_path)


def test_a_class_folder_without_audio_is_no_class_and_noted(tmp_path):
    touch(tmp_path, "dog/mon/a.wav", "rain/mon/b.wav", "snow/notes.txt")
    made = open_folders(tmp_path)
    assert made.classes == ("dog", "rain")
    assert made.notes == ("the folder snow holds no audio files: it is no class",)


def test_a_class_that_cannot_be_printed_is_refused(tmp_path):
    touch(tmp_path, "dog/a.wav", "ra\nin/b.wav")
    with pytest.raises(DataError, match=r"the class 'ra\\nin' has characters that cannot be printed"):
        open_folders(tmp_path)


def test_one_class_is_told(tmp_path):
    touch(tmp_path, "dog/a.wav")
    with pytest.raises(DataError, match=r"has one class only \('dog'\); a classifier takes two or more"):
        open_folders(tmp_path)
