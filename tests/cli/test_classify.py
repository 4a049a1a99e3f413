"""tinyscene classify on files that are odd in their rate or name; what it says of others is in test_main_job."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 8_000


@pytest.fixture(scope="module")
def model(level_model) -> Path:
    """Windows of 0.5 s at 8 kHz, "up" or "down" by the sign of their mean."""
    return level_model(("down", "up"), 9.0)


def save(path: Path, rate: int = RATE) -> Path:
    with open(path, "wb") as file:  # soundfile does not open every name
        soundfile.write(file, 0.1 + 1e-2 * np.sin(np.arange(2 * rate)), rate, format="WAV")
    return path


def test_a_rate_far_below_the_models_is_told_once_a_file(tinyscene, model, tmp_path):
    low, lower, right = (save(tmp_path / f"{rate}.wav", rate) for rate in (4_000, 2_000, 8_000))
    for words in ((), ("--windows",), ("--json",)):
        answer = tinyscene("classify", model, low, right, lower, *words)
        assert answer.code == 0
        assert answer.err.splitlines() == [
            f"tinyscene: warning: {path}: {rate:,} Hz came and tiny takes 8,000 Hz: what lies above {rate // 2:,} Hz "
            "is missing, so answers may be wrong. Record at a higher rate."
            for path, rate in ((low, 4_000), (lower, 2_000))
        ]


def test_a_name_that_is_no_utf_8_is_printed_as_utf_8(tinyscene, model, tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    try:
        path = save(tmp_path / name)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    plain, rows, decisions = (tinyscene("classify", model, path, *words).out for words in ((), ("--csv",), ("--json",)))
    for text in (plain, rows, decisions):
        text.encode()
    assert plain.startswith(rf"{tmp_path}/caf\xe9.wav  up ")
    assert next(csv.DictReader(rows.splitlines()))["file"] == rf"{tmp_path}/caf\xe9.wav"
    assert json.loads(decisions)[0]["file"] == str(path)


def test_json_keeps_the_letters_of_names_that_are_utf_8(tinyscene, model, tmp_path):
    assert "Straße 東京" in tinyscene("classify", model, save(tmp_path / "Straße 東京.wav"), "--json").out


def test_the_asker_says_how_sure_is_sure_enough(tinyscene, model, tmp_path):
    file = save(tmp_path / "a.wav")
    (sure,) = json.loads(tinyscene("classify", model, file, "--json").out)
    assert sure["label"] == "up"
    for limit in (sure["score"], 1.0):
        (said,) = json.loads(tinyscene("classify", model, file, "--json", "--unknown-below", limit).out)
        assert said == sure | {"label": "up" if sure["score"] >= limit else "unknown"}
    tinyscene("classify-all", model, tmp_path, "--out", tmp_path / "out.csv", "--unknown-below", 1.0)
    (row,) = csv.DictReader((tmp_path / "out.csv").read_text().splitlines())
    assert row["label"] == ("unknown" if sure["score"] < 1 else "up")


def test_info_shows_where_a_label_with_a_comma_ends(tinyscene, level_model):
    answer = tinyscene("info", level_model(("dog, bark", "rain"), 9.0))
    assert "'dog, bark', rain" in answer.out
