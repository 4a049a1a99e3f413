"""Splits: folds, shares of whole recordings, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyscene.data import Dataset, fold_split, inner_validation, make_dataset, share_split
from tinyscene.errors import DataError


def clips(labels: str, fold: list[str] | None = None, recording: list[str] | None = None) -> Dataset:
    names = [f"{i}.wav" for i in range(len(labels))]
    return make_dataset("set", Path("/set"), names, list(labels), fold=fold, recording=recording)


def even(n_classes: int = 4, n_recordings: int = 10, n_clips: int = 3) -> Dataset:
    """Every class has as many recordings of as many clips."""
    rows = [(c, r) for c in range(n_classes) for r in range(n_recordings) for _ in range(n_clips)]
    return clips("".join("abcdefgh"[c] for c, _ in rows), recording=[f"{c}-{r}" for c, r in rows])


def told(call) -> str:
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


@st.composite
def datasets(draw) -> Dataset:
    """Two to four classes of two to six recordings of one to nine clips; some recordings hold several classes."""
    rows = []
    for label in "abcd"[: draw(st.integers(2, 4))]:
        for recording in range(draw(st.integers(2, 6))):
            shared = draw(st.booleans())
            name = str(recording) if shared else f"{label}-{recording}"
            rows += [(label, name)] * draw(st.integers(1, 9))
    order = draw(st.permutations(range(len(rows))))
    return clips("".join(rows[i][0] for i in order), recording=[rows[i][1] for i in order])


@given(datasets(), st.floats(0.05, 0.9), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_whole_recordings_are_held_out_and_every_class_stays_in_training(dataset, share, seed):
    split = share_split(dataset, share, seed)
    assert sorted([*split.train, *split.test]) == list(range(len(dataset)))
    assert set(dataset.recording[split.train]).isdisjoint(dataset.recording[split.test])
    assert set(dataset.target[split.train]) == set(range(len(dataset.classes)))


@given(datasets(), st.floats(0.05, 0.9), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_inner_validation_parts_the_training_rows_by_recording(dataset, share, seed):
    rows = np.arange(len(dataset))
    fit, held = inner_validation(dataset, rows, share, seed)
    assert sorted([*fit, *held]) == rows.tolist()
    assert set(dataset.recording[fit]).isdisjoint(dataset.recording[held])
    assert set(dataset.target[fit]) == set(range(len(dataset.classes)))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_each_class_gives_its_share(share):
    dataset = even()
    split = share_split(dataset, share, seed=3)
    assert np.bincount(dataset.target[split.test]).tolist() == [round(share * 10) * 3] * 4


def test_recordings_that_hold_several_classes_count_for_each():
    dataset = clips("ab" * 20, recording=[str(i // 4) for i in range(40)])
    for seed in range(20):
        assert np.bincount(dataset.target[share_split(dataset, 0.2, seed).test]).tolist() == [4, 4]


def test_one_long_recording_is_not_taken_for_a_small_share():
    dataset = clips(
        "a" * 100 + "b" * 100, recording=["a0"] * 90 + [f"a{i}" for i in range(1, 11)] + ["b0"] * 50 + ["b1"] * 50
    )
    for seed in range(20):
        n_test = np.bincount(dataset.target[share_split(dataset, 0.1, seed).test])
        assert n_test.tolist() == [10, 50]  # the ten short ones of a; of b, one half is the least there is


def test_same_seed_same_split_and_another_seed_another():
    one, same, other = (share_split(even(), 0.2, seed).test.tolist() for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert share_split(even(), 0.2, 1).how == "0.2 of the recordings of each class, seed 1"


def test_no_validation_share_leaves_no_validation():
    fit, held = inner_validation(even(), np.arange(30), 0, seed=1)
    assert fit.tolist() == list(range(30))
    assert held.tolist() == []


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_out_of_range_is_told(share):
    assert told(lambda: share_split(even(), share, 1)) == (
        f"--test-share takes a number between 0 and 1; {share} came."
    )


def test_a_class_with_one_recording_is_told():
    assert told(lambda: share_split(clips("aabb", recording=["1", "1", "2", "3"]), 0.5, 1)) == (
        "class 'a' of set has 1 recording(s) here; two are needed to hold one out. Record more, or give a fold column."
    )


def test_a_fold_is_tested_and_the_others_train():
    dataset = clips("abababab", fold=["1", "1", "2", "2", "10", "10", "", ""])
    split = fold_split(dataset, "2")
    assert (split.train.tolist(), split.test.tolist()) == ([0, 1, 4, 5], [2, 3])  # clips without a fold are left out
    assert split.how == "fold 2 of 1, 2, 10"


def test_lists_named_train_and_test_are_the_official_fold_1():
    dataset = clips("ababab", fold=["train", "train", "test", "test", "validation", ""])
    split = fold_split(dataset, "1")
    assert (split.train.tolist(), split.test.tolist(), split.how) == ([0, 1], [2, 3], "official fold 1")
    assert told(lambda: fold_split(dataset, "2")) == "set: --fold takes 1; 2 came."
    assert told(lambda: fold_split(dataset, "split5")) == (
        "set: --fold takes 1; split5 came. Get the splits with: tinyscene data get dcase2024-splits."
    )


@pytest.mark.parametrize(
    ("labels", "folds", "fold", "text"),
    [
        ("abab", None, "1", "set has no fold column; part it by recording with --test-share 0.2."),
        ("abab", list("1122"), "3", "set has no test clips in fold 3; its folds are 1, 2."),
        ("abab", ["train"] * 4, "1", "set, official fold 1: there are no test clips."),
        ("aabb", list("1122"), "2", "set, fold 2 of 1, 2: class 'b' has no training clips."),
    ],
)
def test_folds_that_cannot_be_used_are_told(labels, folds, fold, text):
    assert told(lambda: fold_split(clips(labels, fold=folds), fold)) == text
