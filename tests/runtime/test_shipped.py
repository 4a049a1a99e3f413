"""The model that comes with the package: asked without naming it, it says what it knows, and what it does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tinyscene as package
from tinyscene.audio import write_wav
from tinyscene.runtime import read_model_file
from tinyscene.runtime.shipped import SHIPPED, model_and_files


@pytest.fixture
def hum(tmp_path) -> Path:
    path = tmp_path / "hum.wav"
    write_wav(path, 0.1 * np.sin(2 * np.pi * 440 * np.arange(3 * 44_100) / 44_100).astype(np.float32), 44_100)
    return path


def test_its_card_says_what_it_is():
    data, card = read_model_file(SHIPPED)
    assert len(data) < 300_000
    assert (card.form, card.precision, len(card.labels)) == ("waveform", "int8", 10)
    assert card.complexity["bytes"] <= 128_000
    assert card.complexity["macs_per_s"] <= 30e6
    assert 0 < card.unknown_below < 1
    assert card.claims["data"] == "ESC-10"
    assert "five folds" in card.claims["split"]
    notes = SHIPPED.with_suffix(".md").read_text(encoding="utf-8")
    assert "ESC-10" in notes
    assert "CC BY" in notes


def test_it_is_taken_where_no_model_is_named(tinyscene, hum):
    for verb, more in (("classify", ("--json",)), ("listen", ("--json", "--wav", hum))):
        files = (hum,) if verb == "classify" else ()
        without, named = tinyscene(verb, *files, *more), tinyscene(verb, SHIPPED, *files, *more)
        assert without.code == named.code == 0
        assert without.out == named.out
    assert package.classify(hum) == package.classify(hum, SHIPPED)
    assert json.loads(tinyscene("info", "--json").out)["name"] == read_model_file(SHIPPED)[1].name


def test_it_classifies_folders(tinyscene, hum):
    out = hum.with_name("out.csv")
    assert tinyscene("classify-all", hum.parent, "--out", out).code == 0
    assert str(hum.name) in out.read_text()


@pytest.mark.parametrize(
    ("paths", "model", "files"),
    [
        (["a.wav"], SHIPPED, ["a.wav"]),
        (["m.ONNX", "a.wav"], "m.ONNX", ["a.wav"]),
        (["m.tflite", "a.wav", "b.wav"], "m.tflite", ["a.wav", "b.wav"]),
    ],
)
def test_the_first_path_is_the_model_if_it_is_named_like_one(paths, model, files):
    assert model_and_files([Path(p) for p in paths]) == (Path(model), [Path(p) for p in files])


def test_a_model_that_comes_late_is_told_before_anything_is_answered(tinyscene, hum):
    answer = tinyscene("classify", hum, SHIPPED)
    assert (answer.code, answer.out) == (2, "")
    assert "the model comes first" in answer.err


def test_a_folder_is_no_file_to_classify(tinyscene, hum):
    answer = tinyscene("classify", hum.parent, hum)
    assert (answer.code, answer.out) == (2, "")
    assert "classify-all" in answer.err


@pytest.mark.parametrize("verb", ["classify", "classify-all"])
def test_a_model_alone_is_no_question(tinyscene, verb, tmp_path):
    more = ("--out", tmp_path / "a.csv") if verb == "classify-all" else ()
    answer = tinyscene(verb, SHIPPED, *more)
    assert answer.code == 2
    assert "name one behind it" in answer.err


def test_it_knows_the_sounds_it_was_trained_on(real_data):
    """No measure of how good it is, which benchmarks/esc10.md holds: that it hears at all, from the file on."""
    clips = sorted((real_data / "esc10" / "audio").glob("*/*.ogg"))[::20]
    names = {"Dog bark": "dog_bark", "Sea waves": "sea_waves", "Fire crackling": "fire_crackling"}
    right = 0
    for clip in clips:
        name = clip.parent.name.partition(" - ")[2]
        (said,) = package.classify(clip)
        right += said["top"][0]["label"] == names.get(name, name.lower().replace(" ", "_"))
    assert right >= 0.95 * len(clips)
