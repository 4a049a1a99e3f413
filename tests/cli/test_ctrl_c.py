"""What Ctrl-C is answered with: what is kept and how to go on, where there is something."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


def stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("place", ["prepare", "start_run"])
def test_training_that_has_no_folder_yet_promises_nothing(tinyscene, scenes, narrow, tmp_path, monkeypatch, place):
    monkeypatch.setattr(f"tinyscene.pipeline.{place}", stop)
    answer = tinyscene("train", narrow, "--data", scenes, "--out", tmp_path / "run")
    assert answer.code == 130
    assert answer.err.endswith("\nstopped.\n")
    assert "kept" not in answer.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_training_that_has_begun_is_kept(tinyscene, scenes, narrow, tmp_path, monkeypatch, resume):
    monkeypatch.setattr("tinyscene.pipeline.run_stages", stop)
    words = ("train", narrow, "--data", scenes, "--out", tmp_path / "run", *(["--resume"] if resume else []))
    for _ in range(2):  # the promise holds: the run is gone on with
        answer = tinyscene(*words)
        assert answer.code == 130
        again = "the same command goes on" if resume else "the same command with --resume goes on"
        assert answer.err.endswith(f"\nwhat was done is kept in {tmp_path / 'run'}: {again}.\n\nstopped.\n")


def test_compressing_and_reproducing(tinyscene, run: Path, scenes, tmp_path, monkeypatch):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    monkeypatch.setattr("tinyscene.pipeline.compressing.run_plan", stop)
    answer = tinyscene("compress", copy, "--to", "fp16")
    assert answer.code == 130
    assert f"what was done is kept in {copy}: the same command with --resume goes on." in answer.err
    monkeypatch.setattr("tinyscene.pipeline.reproducing.Reproducing.run", stop)
    answer = tinyscene("reproduce", "dsmn-1", "--data", scenes, "--out", tmp_path / "all")
    assert answer.code == 130
    assert f"what was done is kept in {tmp_path / 'all'}: the same command goes on." in answer.err
