"""tinyscene data cache, train --skip-bad, predict: as a user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


def test_the_cache_is_as_large_as_estimated_and_is_what_training_reads(
    tinyscene, narrow, scenes, tmp_path, monkeypatch
):
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "cache"))
    dry = tinyscene("data", "cache", narrow, "--data", scenes, "--dry-run")
    assert dry.code == 0
    assert "estimate:" in dry.err
    assert not (tmp_path / "cache").exists()
    made = tinyscene("data", "cache", narrow, "--data", scenes)
    assert made.code == 0, made.err
    folders = {path: sum(f.stat().st_size for f in path.iterdir()) for path in (tmp_path / "cache").iterdir()}
    assert len(folders) == 3
    # 70 clips of 64 bands and 44 frames: 16 bits to crop from, 32 as windows, for training and inner validation
    frames = 64 * 44
    assert sorted(folders.values()) == pytest.approx([70 * 2 * frames, 70 * 4 * frames, 90 * 4 * frames], rel=0.02)
    train = tinyscene("train", narrow, "--data", scenes, "--out", tmp_path / "run", "--set", "recipe.fit.epochs=1")
    assert train.code == 0, train.err
    assert set((tmp_path / "cache").iterdir()) == set(folders)


def test_a_disk_without_room_is_told_before_anything_is_made(tinyscene, narrow, scenes, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "cache"))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    answer = tinyscene("data", "cache", narrow, "--data", scenes)
    assert answer.code == 2
    assert "1.0 kB free" in answer.err
    assert "TINYSCENE_CACHE" in answer.err
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def spoilt(scenes: Path, tmp_path: Path) -> Path:
    """A copy of the scenes with a clip that is no sound, one that is not there, and a row of too few columns."""
    folder = tmp_path / "spoilt"
    shutil.copytree(scenes, folder)
    clips = sorted((folder / "audio").glob("*.wav"))
    trained = (folder / "evaluation_setup" / "fold1_train.csv").read_text()
    (first, second, *_) = [clip for clip in clips if clip.name in trained]
    first.write_bytes(b"no sound")
    second.unlink()
    (folder / "evaluation_setup" / "fold1_train.csv").write_text(trained + "audio/bus-lyon-1-1-0-a.wav\n")
    return folder


def test_bad_rows_and_clips_stop_training_or_are_left_out_and_counted(tinyscene, narrow, spoilt, tmp_path):
    answer = tinyscene("train", narrow, "--data", spoilt, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "one row that cannot be used: line 72: 2 columns are needed, 1 came" in answer.err
    assert not (tmp_path / "run").exists()
    words = ("--data", spoilt, "--out", tmp_path / "run", "--skip-bad", "--set", "recipe.fit.epochs=1")
    answer = tinyscene("train", narrow, *words)
    assert answer.code == 0, answer.err
    assert "1 of them are not on disk" in answer.err
    assert "1 bad row was left out" in answer.err
    assert "1 clip left out, which cannot be decoded" in answer.err
    assert "68 training and 90 test clips" in answer.err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len(record["left_out"]) == 1
    assert tinyscene("evaluate", tmp_path / "run").code == 0


def test_predict_writes_a_row_a_clip(tinyscene, run, scenes, tmp_path):
    answer = tinyscene("predict", run / "narrow-int8-waveform.onnx", "--data", scenes, "--out", tmp_path / "p.csv")
    assert answer.code == 0, answer.err
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 161
    assert "160 clips" in answer.err
