"""tinyscene classify-all: what it writes, says and answers; the bytes are held to in tests/runtime/test_batch.py."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

from tinyscene.cli.batch_verb import VERBS
from tinyscene.runtime import Classifier, batch

RATE = 8_000


@pytest.fixture(scope="module")
def model(level_model) -> Path:
    """Windows of 0.5 s at 8 kHz, "up" or "down" by the sign of their mean."""
    return level_model(("down", "up"), 9.0)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Nine clips, one of them silent, and one file that is no audio."""
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    for i in range(9):
        sound = (0.1 * (-1) ** i if i < 8 else 0) + (1e-2 * np.sin(np.arange(RATE)) if i < 8 else np.zeros(RATE))
        soundfile.write(root / ("sub" if i % 3 else "") / f"{i}.wav", sound, RATE)
    (root / "9.wav").write_bytes(b"no sound at all")
    return root


@pytest.fixture
def classify_all(tinyscene, monkeypatch):
    """The verb on the command line, whether or not the application lists it."""
    from tinyscene.cli import app as application

    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    for verb in VERBS:
        app.command(name=verb.__name__.replace("_", "-"))(verb)
    monkeypatch.setattr(application, "app", app)
    return lambda *words: tinyscene("classify-all", *words)


def test_rows_notes_and_counts(classify_all, model, tree, tmp_path):
    (tree / "loop").symlink_to(tree)
    out = tmp_path / "out.csv"
    answer = classify_all(model, tree, "--out", out)
    assert (answer.code, answer.out) == (0, f"{out}\n")
    assert "note: 1 file cannot be used, listed in" in answer.err
    assert "out.bad.csv; first: " in answer.err
    assert "9.wav" in answer.err
    assert "note: 1 file is digital silence" in answer.err
    assert "note: 1 linked folder was not entered; first: loop." in answer.err
    assert answer.err.endswith("\n9 of 10 files, 9 rows.\n")
    with open(out, encoding="utf-8", newline="") as stream:
        labels = {row["file"]: row["label"] for row in csv.DictReader(stream)}
    assert labels.pop("sub/8.wav")
    assert labels == {f"{'sub/' if i % 3 else ''}{i}.wav": "down" if i % 2 else "up" for i in range(8)}


@pytest.mark.parametrize(("n", "told"), [(1, "1 file has"), (2, "2 files have")])
def test_rates_too_low_for_the_model_are_told(classify_all, model, tree, tmp_path, n, told):
    for i in range(n):
        soundfile.write(tree / f"low{i}.wav", 0.1 + 1e-2 * np.sin(np.arange(RATE)), 4_000)
    answer = classify_all(model, tree, "--out", tmp_path / "out.csv")
    assert answer.code == 0
    assert f"note: {told} a sample rate too low for {model}: what lies above half of it is missing, so" in answer.err
    assert "too low" not in classify_all(model, tree / "sub", "--out", tmp_path / "sub.csv").err


def test_windows_as_json_lines(classify_all, model, tree, tmp_path):
    out = tmp_path / "out.jsonl"
    assert classify_all(model, tree, "--out", out, "--each", "window", "--hop", 0.25, "--workers", 2).code == 0
    came = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    expected = Classifier(model).classify(tree / "0.wav", 0.25, each_window=True)
    first = [row for row in came if row["file"] == "0.wav"]
    assert len(first) == 3
    for row, decision in zip(first, expected, strict=True):
        assert (row["start_s"], row["end_s"], row["label"]) == (decision.start_s, decision.end_s, decision.label)
        assert row["scores"] == {entry["label"]: entry["score"] for entry in decision.top}


def test_ctrl_c_says_how_to_go_on(classify_all, model, tree, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    classify_all(model, tree, "--out", whole)
    plain = batch.GrowingFile.add

    def interrupted(self, *arguments, **counts):
        if self.done == 4:
            raise KeyboardInterrupt
        plain(self, *arguments, **counts)

    monkeypatch.setattr(batch.GrowingFile, "add", interrupted)
    answer = classify_all(model, tree, "--out", out)
    assert answer.code == 130
    assert f"4 of 10 files are kept beside {out}: the same command with --resume goes on." in answer.err
    assert "Traceback" not in answer.err
    monkeypatch.undo()
    assert not out.exists()


def test_resume_goes_on_and_is_needed(classify_all, model, tree, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    classify_all(model, tree, "--out", whole)

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch.classify_tree(str(model), [str(tree)], out, progress=stop)
    again = classify_all(model, tree, "--out", out)
    assert again.code == 2
    assert "--resume" in again.err
    assert classify_all(model, tree, "--out", out, "--each", "window", "--resume").code == 2
    assert classify_all(model, tree, "--out", out, "--resume").code == 0
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "a.txt"], "--out takes the name of a .csv or .jsonl to write; a.txt came."),
        (["--out", "a.csv", "--each", "minute"], "--each takes file or window; 'minute' came."),
        (["--out", "a.csv", "--hop", "0"], "--hop takes seconds, 0.001 to 86,400; 0 came."),
    ],
)
def test_mistakes_take_one_line(classify_all, model, tree, words, told):
    answer = classify_all(model, tree, *words)
    assert answer.code == 2
    assert told in answer.err
    assert answer.err.count("\n") == 1


def test_no_audio_and_none_that_can_be_used_exit_with_2(classify_all, model, tmp_path):
    (tmp_path / "empty").mkdir()
    answer = classify_all(model, tmp_path / "empty", "--out", tmp_path / "out.csv")
    assert (answer.code, "holds no audio files" in answer.err) == (2, True)
    (tmp_path / "empty" / "a.wav").write_bytes(b"")
    answer = classify_all(model, tmp_path / "empty", "--out", tmp_path / "out.csv")
    assert (answer.code, "a.wav" in answer.err) == (2, True)
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()
