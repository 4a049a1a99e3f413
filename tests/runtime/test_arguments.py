"""What is no number, array or path is told in a sentence, by every public name of the runtime that takes one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import tinyscene
from tinyscene.errors import AudioError, ModelError, SettingError, TinysceneError
from tinyscene.runtime import (
    Classifier,
    LogMel,
    Stream,
    classify_tree,
    cut_windows,
    fill_window,
    read_model_file,
    window_starts,
)
from tinyscene.runtime.arguments import array, number, path_text, whole

RATE = 8_000
SOUND = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
NO_WHOLE = ["3", 1.5, None, True, float("nan"), float("inf"), 1j, [1], np.array([1, 2]), b"1"]
NO_NUMBER = ["a", None, True, 1j, [1.0], np.array([1.0, 2.0])]
NO_ARRAY = [[0.1, 0.2], ["a"], "a", None, 3, np.array(["a", "b"]), np.array([None, 1.0]), np.array([1j])]


def one_line(error: pytest.ExceptionInfo[TinysceneError], owner: str) -> None:
    assert owner in str(error.value)
    assert "came" in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.fixture
def classifier(tiny_model) -> Classifier:
    return Classifier(tiny_model())


@pytest.mark.parametrize("wrong", NO_WHOLE, ids=repr)
def test_counts_and_rates(classifier, tmp_path, wrong):
    begun = Stream(classifier)
    begun.feed(SOUND, RATE)
    for owner, kind, call in (
        ("top_k", SettingError, lambda: classifier.classify((SOUND, RATE), top_k=wrong)),
        ("top_k", SettingError, lambda: tinyscene.classify((SOUND, RATE), classifier, top_k=wrong)),
        ("Classifier.threads", SettingError, lambda: Classifier(classifier.path, threads=wrong)),
        ("Stream.smooth", SettingError, lambda: Stream(classifier, smooth=wrong)),
        ("the sample rate", AudioError, lambda: classifier.classify((SOUND, wrong))),
        ("the sample rate", AudioError, lambda: tinyscene.classify((SOUND, wrong), classifier)),
        ("the sample rate", AudioError, lambda: classifier.windows(SOUND, wrong)),
        ("the sample rate", AudioError, lambda: Stream(classifier).feed(SOUND, wrong)),
        ("the sample rate", AudioError, lambda: begun.feed(SOUND, wrong)),
        ("the window", SettingError, lambda: cut_windows(SOUND, wrong)),
        ("the window", SettingError, lambda: fill_window(SOUND, wrong)),
        ("n_samples", SettingError, lambda: window_starts(wrong, 3)),
    ):
        with pytest.raises(kind) as told:
            call()
        one_line(told, owner)
    if wrong is not None:  # None: as many as there are cores; the window's length
        for owner, call in (
            ("workers", lambda: classify_tree(classifier, tmp_path, tmp_path / "out.csv", workers=wrong)),
            ("the hop", lambda: cut_windows(SOUND, 100, wrong)),
        ):
            with pytest.raises(SettingError) as told:
                call()
            one_line(told, owner)


@pytest.mark.parametrize("wrong", [value for value in NO_NUMBER if value is not None], ids=repr)
def test_seconds_and_scores(classifier, tmp_path, wrong):
    for owner, call in (
        ("hop_s", lambda: classifier.classify((SOUND, RATE), hop_s=wrong)),
        ("hop_s", lambda: classifier.windows(SOUND, RATE, wrong)),
        ("hop_s", lambda: Stream(classifier, wrong)),
        ("hop_s", lambda: classify_tree(classifier, tmp_path, tmp_path / "out.csv", hop_s=wrong)),
        ("Classifier.unknown_below", lambda: Classifier(classifier.path, unknown_below=wrong)),
    ):
        with pytest.raises(SettingError) as told:
            call()
        one_line(told, owner)


@pytest.mark.parametrize("wrong", NO_ARRAY, ids=repr)
def test_sound(classifier, wrong):
    calls = [
        lambda: classifier.windows(wrong, RATE),
        lambda: classifier.probabilities(wrong),
        lambda: classifier.decided(wrong),
        lambda: Stream(classifier).feed(wrong, RATE),
        lambda: cut_windows(wrong, 3),
        lambda: LogMel(RATE, 256, 256, 128, 16, 0.0, 4_000.0)(wrong),
    ]
    if not isinstance(wrong, str):  # a path
        calls += [
            lambda: classifier.classify((wrong, RATE)),
            lambda: tinyscene.classify((wrong, RATE), classifier),
        ]
    for call in calls:
        with pytest.raises(AudioError) as told:
            call()
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("wrong", [3, None, 1.5, ["a.onnx"]], ids=repr)
def test_paths(classifier, tmp_path, wrong):
    out = tmp_path / "out.csv"
    for owner, kind, call in (
        ("Classifier", ModelError, lambda: Classifier(wrong)),
        ("read_model_file", ModelError, lambda: read_model_file(wrong)),
        ("classify_tree.paths", SettingError, lambda: classify_tree(classifier, [wrong], out)),
        ("classify_tree.out", SettingError, lambda: classify_tree(classifier, tmp_path, wrong)),
        ("Stream takes a Classifier", SettingError, lambda: Stream(wrong)),
    ):
        with pytest.raises(kind) as told:
            call()
        one_line(told, owner)
    with pytest.raises(SettingError, match=r"classify_tree\.paths takes a path; 3 came"):
        classify_tree(classifier, 3, out)  # type: ignore[arg-type]


@pytest.mark.parametrize(("wrong", "kind"), [(3, "int"), (None, "NoneType"), (b"a.wav", "bytes"), (SOUND, "ndarray")])
def test_what_is_no_clip_is_told_where_one_or_many_are_taken(classifier, wrong, kind):
    with pytest.raises(AudioError, match=rf"an audio file or \(waveform, rate\) is taken; {kind} came"):
        tinyscene.classify(wrong, classifier)


def test_no_sound_cannot_be_repeated(classifier):
    for call in (
        lambda: fill_window(SOUND[:0], 3),
        lambda: cut_windows(SOUND[:0], 3),
        lambda: classifier.windows(SOUND[:0], RATE),
    ):
        with pytest.raises(AudioError, match="1 sample or more"):
            call()


def test_all_kinds_of_numbers_are_taken(classifier):
    expected = classifier.classify((SOUND, RATE), 0.5, 2)
    for rate, hop_s, top_k in (
        (8_000.0, Fraction(1, 2), np.int64(2)),
        (np.int32(8_000), np.float32(0.5), 2.0),
        (np.float32(8_000), np.float64(0.5), np.uint8(2)),
    ):
        assert classifier.classify((SOUND, rate), hop_s, top_k) == expected  # type: ignore[arg-type]
        stream = Stream(classifier)
        assert stream.feed(SOUND, rate) == Stream(classifier).feed(SOUND, RATE)  # type: ignore[arg-type]
    assert tinyscene.classify(((SOUND, RATE), (SOUND, RATE)), classifier, 0.5, 2) == [expected[0].to_dict()] * 2


def test_what_is_given_back():
    assert (whole("a", 3.0), type(whole("a", np.int8(3)))) == (3, int)
    assert (number("a", 10**400), number("a", -(10**400))) == (float("inf"), float("-inf"))
    assert array("a", SOUND) is SOUND
    assert path_text("a", b"caf\xe9") == "caf\udce9"
