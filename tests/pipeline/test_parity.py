"""Parity holds roads apart that differ, and is held itself to networks whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinyscene.errors import AudioError, ModelError
from tinyscene.export.model_file import TOLERANCE as EXPORTED
from tinyscene.pipeline.parity import TOLERANCE, Road, compare, made_sounds, milliseconds, sounds_of
from tinyscene.pipeline.parity_roads import (
    eager_road,
    file_roads,
    missing_files,
    model_cards,
    odd_blocks,
    of_other_weights,
    read_card,
)
from tinyscene.runtime.model_file import ModelCard
from tinyscene.runtime.windows import cut_windows

RATE, WINDOW = 8_000, 4_000


@pytest.fixture(scope="module")
def sounds():
    return sounds_of(made_sounds(RATE, WINDOW), RATE, WINDOW)


def loudness(windows: np.ndarray, shift: float = 0.0) -> np.ndarray:
    """(window, 2) rows that sum to 1, known in closed form."""
    share = np.minimum(np.std(windows, axis=1), 0.9) + shift
    return np.stack([share, 1 - share], axis=1)


def road(name: str, shift: float = 0.0, precision: str = "float32", **more) -> Road:
    return Road("net-fit", name, precision, lambda windows: loudness(windows, shift), **more)


def test_a_road_is_as_far_from_the_reference_as_it_was_shifted(sounds):
    rows = compare([road("shifted", 0.03, "int8"), road("true", reference=True), road("off", 2e-4)], sounds)
    assert [row.road for row in rows] == ["shifted", "true", "off"]
    assert [row.reference for row in rows] == ["true", "", "true"]
    assert [row.difference for row in rows] == pytest.approx([0.03, 0.0, 2e-4], abs=1e-6)
    assert [row.ok for row in rows] == [True, True, False]
    assert {row.n for row in rows} == {len(sounds.windows)}


def test_the_first_road_is_the_reference_where_none_is_marked_and_each_network_has_its_own(sounds):
    other = Road("net-int8", "other", "int8", lambda windows: loudness(windows, 0.5))
    rows = compare([road("one"), road("two", 1e-5), other], sounds)
    assert [(row.reference, row.ok) for row in rows] == [("", True), ("one", True), ("", True)]


def test_classes_that_change_are_counted(sounds):
    turned = Road("net-fit", "turned", "int8", lambda windows: loudness(windows)[:, ::-1])
    (_, row) = compare([road("true", reference=True), turned], sounds)
    assert row.same == 0
    assert not row.ok


def test_an_answer_that_is_no_number_breaks_the_tolerance(sounds):
    silent = Road("net-fit", "silent", "int8", lambda windows: loudness(windows) * np.nan)
    assert not compare([road("true", reference=True), silent], sounds)[1].ok


def test_answers_of_another_shape_are_refused(sounds):
    wide = Road("net-fit", "wide", "float32", lambda windows: np.ones((len(windows), 3)))
    with pytest.raises(ModelError, match="wide"):
        compare([road("true", reference=True), wide], sounds)


def test_a_road_that_cuts_its_own_windows_is_asked_for_clips(sounds):
    """One that loses a clip's beginning is found out, though its answers to ready windows are right."""

    def right(clip):
        return loudness(sounds_of([clip], RATE, WINDOW).windows)

    def lost(clip):
        """The first tenth of each clip is lost, and noise comes in its place."""
        wave = clip[0].copy()
        wave[: len(wave) // 10] = 1.0
        return right((wave, clip[1]))

    rows = compare([road("true", reference=True), road("right", of_clip=right), road("lost", of_clip=lost)], sounds)
    assert rows[1].difference < 1e-12
    assert not rows[2].ok


def test_silent_windows_are_left_out_and_nothing_but_silence_is_refused():
    noise = np.random.default_rng(0).normal(0, 0.1, WINDOW).astype(np.float32)
    clip = np.concatenate([noise, np.zeros(WINDOW, np.float32), noise])
    sounds = sounds_of([(clip, RATE)], RATE, WINDOW)
    assert sounds.heard.tolist() == [True, False, True]
    (row,) = compare([road("true")], sounds)
    assert row.n == 2
    with pytest.raises(AudioError, match="silence"):
        sounds_of([(np.zeros(WINDOW, np.float32), RATE)], RATE, WINDOW)
    with pytest.raises(AudioError, match="no clip"):
        sounds_of([], RATE, WINDOW)


def test_made_sounds_are_the_same_each_time_within_full_scale_and_different_from_each_other():
    once, again = made_sounds(RATE, WINDOW), made_sounds(RATE, WINDOW)
    assert all(np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(once, again, strict=True))
    assert len(once) == 16
    peaks = [float(np.abs(wave).max()) for wave, _ in once]
    assert max(peaks) <= 1.1
    assert sorted(20 * np.log10(np.std(once[i][0])) for i in (0, 1)) == pytest.approx([-50.5, -20], abs=0.5)
    windows = sounds_of(once, RATE, WINDOW).windows
    assert np.abs(np.corrcoef(windows) - np.eye(len(windows))).max() < 0.9


def test_odd_blocks_are_the_clip_end_to_end():
    clip = np.arange(10_000, dtype=np.float32), 16_000
    blocks = list(odd_blocks(clip))
    assert [len(block) for block in blocks[:4]] == [1_600, 37, 1_600, 37]
    assert np.array_equal(np.concatenate(blocks), clip[0])


def test_time_is_that_of_one_window():
    import time

    slept = Road("net-fit", "slow", "float32", lambda windows: time.sleep(0.02) or np.ones((1, 2)))
    assert 20 <= milliseconds(slept, np.zeros((1, WINDOW))) < 100  # a sum of all runs would be 300


def test_tolerances_are_those_an_export_is_held_to():
    assert TOLERANCE == EXPORTED


# ---- real model files ----


@pytest.fixture(scope="module")
def heard(written):
    """The first window of twelve synthetic scenes, as clips of two and a half windows."""
    waves = written.waveforms.numpy()
    clips = [(np.concatenate([waves[i], waves[i + 1], waves[i + 2][:20_000]]), 44_100) for i in range(0, 36, 9)]
    return sounds_of(clips, 44_100, waves.shape[1])


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_all_roads_of_a_model_file_agree_with_torch(written, heard, precision):
    export = written.export[precision]
    network = written.simulated if precision == "int8" else export.network
    name = read_card(written.path[precision, "features"]).name
    front_end = export.system.frontend.build().eval()
    roads = [eager_road(name, "torch", precision, network, front_end, export.decide, reference=True)]
    for form in ("features", "waveform"):
        roads += file_roads(written.path[precision, form], read_card(written.path[precision, form]))
    rows = compare(roads, heard)
    assert len(rows) == 7
    assert [row.road for row in rows if not row.ok] == []
    assert rows[0].spread > 0.2
    assert {row.n for row in rows} == {12}, "two windows and a tail of each of four clips"
    assert rows[0].n_bytes == 0
    assert rows[1].n_bytes == written.path[precision, "features"].stat().st_size


def test_another_networks_file_is_found_out(written, heard):
    """Roads of the int8 file held to the float network at the tolerance of floats."""
    export = written.export["float32"]
    front_end = export.system.frontend.build().eval()
    path = written.path["int8", "features"]
    wrong = [Road("narrow", r.name, "float32", r.probabilities, r.of_clip) for r in file_roads(path, read_card(path))]
    reference = eager_road("narrow", "torch", "float32", export.network, front_end, export.decide, reference=True)
    assert [row.ok for row in compare([reference, *wrong], heard)] == [True, False, False, False]


def test_the_runtime_and_the_stream_say_what_the_file_says_of_windows_cut_by_hand(written, heard):
    path = written.path["float32", "waveform"]
    direct, runtime, stream = file_roads(path, read_card(path))
    (wave, rate) = heard.clips[1]
    expected = direct.probabilities(cut_windows(wave, 44_100))
    for one in (runtime, stream):
        assert one.of_clip is not None
        np.testing.assert_allclose(one.of_clip((wave, rate)), expected, atol=1e-5)


def test_cards_are_found_and_other_files_passed_over(written, tmp_path):
    good = written.path["int8", "features"]
    (tmp_path / "a.onnx").write_bytes(good.read_bytes())
    (tmp_path / "b.onnx").write_bytes(b"none of ours")
    (tmp_path / "c.tflite").write_bytes(b"without a card")
    (tmp_path / "d.txt").write_text("words")
    assert [path.name for path in model_cards(tmp_path)] == ["a.onnx"]


def test_what_is_missing_is_told_with_the_command_that_makes_it(written, monkeypatch):
    from tinyscene.pipeline import parity_roads

    path = written.path["int8", "features"]
    card = read_card(path)
    assert isinstance(card, ModelCard)
    card = replace(card, name="narrow-prune-int8", system="narrow")
    monkeypatch.setattr(parity_roads, "find_spec", lambda name: None if name == "executorch" else object())
    lines = missing_files({path: card}, [card.name, "of no run"], "runs/a")
    assert lines == [
        "ExecuTorch: not installed; pip install '.[executorch]' in a clone of tinyscene",
        f"{card.name}, waveform in: no such model file; tinyscene export runs/a --stage prune-int8 --form waveform",
        f"{card.name}, LiteRT: no .tflite file; tinyscene export runs/a --stage prune-int8 --format tflite",
    ]


def test_files_of_other_weights_are_told_by_network():
    kind = "0.1.0", "features", "int8", ("a", "b"), RATE, WINDOW, "mean"
    card = ModelCard("narrow-int8", "narrow", *kind, frontend={}, weights="a")
    other = replace(card, weights="b")
    cards = {
        Path("1.onnx"): card,
        Path("2.onnx"): other,
        Path("3.tflite"): other,
        Path("4.onnx"): replace(card, weights=""),
        Path("5.onnx"): replace(other, name="narrow-fit"),
        Path("6.onnx"): replace(other, name="of no run"),
        Path("7.onnx"): replace(card, name="of no run"),
    }
    again = "of other weights than {} has; tinyscene export 'my run' --stage int8"
    told = of_other_weights(cards, {}, "my run")
    assert list(told.values()) == [
        f"2.onnx: {again.format('1.onnx')} --form features",
        f"3.tflite: {again.format('1.onnx')} --format tflite",
        "7.onnx: of other weights than 6.onnx has; export it again",
    ]
    assert list(of_other_weights(cards, {"narrow-int8": ("int8", "b")}, "my run").values()) == [
        f"1.onnx: {again.format('int8')} --form features",
        "7.onnx: of other weights than 6.onnx has; export it again",
    ]
