"""A folder of one's own that changes: what a run was trained on stays what it is tested without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tinyscene.audio import write_wav

RATE = 44_100
SHORT = ("--test-share", 0.4, "--set", "recipe.fit.epochs=1")


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, 0.1 * np.random.default_rng(seed).standard_normal(RATE).astype(np.float32), RATE)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two classes of five clips each."""
    for i in range(10):
        save(tmp_path / "sounds" / ("left", "right")[i % 2] / f"{i}.wav", i)
    return tmp_path / "sounds"


def test_clips_that_came_or_went_are_told(tinyscene, tmp_path: Path, narrow: Path, sounds: Path):
    run, words = tmp_path / "run", ("train", narrow, "--data", sounds, "--out", tmp_path / "run", *SHORT)
    assert tinyscene(*words).code == 0
    before = json.loads((run / "run.json").read_text())["clips"]
    assert (before["train"], before["test"]) == (6, 4)
    assert tinyscene("evaluate", run).code == 0
    kept = (sounds / "left" / "0.wav").read_bytes()
    (sounds / "left" / "0.wav").rename(sounds / "left" / "new.wav")  # as many clips, another one among them
    for again in (("evaluate", run), ("compress", run), (*words, "--resume")):
        answer = tinyscene(*again)
        assert answer.code == 2
        assert "holds other clips than when the run began: 6 to train and 4 to test then, 6 and 4 now" in answer.err
        assert "Traceback" not in answer.err
    (sounds / "left" / "new.wav").unlink()
    (sounds / "left" / "0.wav").write_bytes(kept)
    assert tinyscene("evaluate", run).code == 0
    record = json.loads((run / "run.json").read_text())
    for damaged in ({"train": 6}, "six", {**before, "test": "x"}):
        (run / "run.json").write_text(json.dumps(record | {"clips": damaged}))
        answer = tinyscene("evaluate", run)
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert "run.json cannot be read" in answer.err
    (run / "run.json").write_text(json.dumps(record))
    sounds.rename(tmp_path / "moved")
    answer = tinyscene("evaluate", run)
    assert answer.code == 2
    assert 'is not there any more. Put it back, or write where it lies now as "data" into' in answer.err


def test_a_bad_clip_of_the_test_part_is_told_before_training(tinyscene, tmp_path: Path, narrow: Path, sounds: Path):
    from tinyscene.data import open_dataset, share_split

    rows = share_split(open_dataset(sounds), 0.4, 1).test
    bad = open_dataset(sounds).files[rows[0]]
    (sounds / bad).write_text("no sound")
    answer = tinyscene("train", narrow, "--data", sounds, "--out", tmp_path / "run", *SHORT)
    assert answer.code == 2
    assert "1 of 4 clips cannot be used" in answer.err
    assert bad in answer.err
    assert not (tmp_path / "run" / "fit").exists()


def test_a_class_called_unknown_is_noted(tinyscene, tmp_path: Path, narrow: Path, sounds: Path):
    (sounds / "left").rename(sounds / "unknown")
    answer = tinyscene("train", narrow, "--data", sounds, "--out", tmp_path / "run", *SHORT)
    assert answer.code == 0
    assert "the class 'unknown' has the name of decisions that are not sure enough" in answer.err
