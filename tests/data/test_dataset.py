"""Dataset: columns of one length, classes in order, lists that cannot be used."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from tinyscene.data import make_dataset
from tinyscene.errors import DataError

ROOT = Path("/data/set")


def refused(files: list[str], labels: list[str]) -> str:
    with pytest.raises(DataError) as caught:
        make_dataset("set", ROOT, files, labels)
    return str(caught.value)


def test_classes_are_the_labels_in_order_and_targets_point_at_them():
    made = make_dataset("set", ROOT, ["1", "2", "3", "4"], ["tram", "bus", "tram", "park"])
    assert made.classes == ("bus", "park", "tram")
    assert [made.classes[i] for i in made.target] == ["tram", "bus", "tram", "park"]


def test_columns_that_say_nothing_are_empty_and_each_clip_its_own_recording():
    made = make_dataset("set", ROOT, ["1", "2"], ["a", "b"])
    assert [made.has(name) for name in ("fold", "device", "city")] == [False] * 3
    assert made.recording.tolist() == ["1", "2"]


def test_clips_without_a_recording_are_not_taken_for_one():
    made = make_dataset("set", ROOT, ["1", "2", "3", "4"], list("abab"), recording=["r", "", "", "r"])
    assert made.recording.tolist() == ["r", "2", "3", "r"]


def test_take_keeps_rows_together_and_in_the_order_asked_for():
    made = make_dataset("set", ROOT, ["1", "2", "3"], ["a", "b", "a"], device=["x", "y", "z"]).take(np.array([2, 0]))
    assert (made.files.tolist(), made.target.tolist(), made.device.tolist()) == (["3", "1"], [0, 0], ["z", "x"])
    assert made.classes == ("a", "b")
    assert made.paths() == [ROOT / "3", ROOT / "1"]


@pytest.mark.parametrize(
    ("files", "labels", "text"),
    [
        ([], [], "/data/set lists no clips."),
        (["1", "2"], ["a", ""], "/data/set: the clip 2 has no label."),
        (["1", "2"], ["a", "a"], "/data/set has one class only ('a'); a classifier takes two or more."),
        (["1", "2", "1"], ["a", "b", "a"], "/data/set lists the clip 1 more than once."),
    ],
)
def test_lists_that_cannot_be_used_are_told(files, labels, text):
    assert refused(files, labels) == text


def test_a_clip_listed_twice_is_found_in_a_long_list_at_once():
    names = [str(i) for i in range(50_000)]
    began = time.perf_counter()
    assert "lists the clip 49999 more than once" in refused([*names, "49999"], ["a", "b"] * 25_000 + ["a"])
    assert time.perf_counter() - began < 2
