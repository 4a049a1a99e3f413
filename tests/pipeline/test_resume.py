"""A run that is killed and resumed ends with the same weights as one that was not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

EPOCHS = ("--set", "recipe.fit.epochs=8")  # enough to be interrupted in, on a busy machine too


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tinyscene", *map(str, words)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # tests that run in the background of a shell inherit its deafness to Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(process: subprocess.Popen[str], checkpoint: Path) -> None:
    end = time.monotonic() + 120
    while not checkpoint.is_file():
        assert process.poll() is None, f"ended without {checkpoint.name}: {process.communicate()}"
        assert time.monotonic() < end, "no epoch within two minutes"
        time.sleep(0.01)


def same_weights(one: Path, other: Path) -> bool:
    a, b = (torch.load(path, weights_only=True) for path in (one, other))
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, tinyscene, scenes: Path, narrow: Path) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert tinyscene("train", narrow, "--data", scenes, "--out", folder, *EPOCHS).code == 0
    return folder


def test_a_killed_training_resumes_to_the_same_weights(tmp_path: Path, uninterrupted: Path, scenes: Path, narrow: Path):
    folder = tmp_path / "run"
    words = ("train", narrow, "--data", scenes, "--out", folder, *EPOCHS)
    process = start(*words)
    wait_for(process, folder / "fit" / "last.ckpt")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / "fit" / "weights.pt").exists(), "the kill came too late to test anything"

    resumed = start(*words, "--resume")
    _, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    assert same_weights(folder / "fit" / "weights.pt", uninterrupted / "fit" / "weights.pt")
    rows = [json.loads(line) for line in (folder / "fit" / "journal.jsonl").read_text().splitlines()]
    expected = [json.loads(line) for line in (uninterrupted / "fit" / "journal.jsonl").read_text().splitlines()]
    assert [row["loss"] for row in rows] == [row["loss"] for row in expected]


def test_ctrl_c_keeps_what_was_done_and_says_how_to_go_on(tmp_path: Path, scenes: Path, narrow: Path):
    folder = tmp_path / "run"
    process = start("train", narrow, "--data", scenes, "--out", folder, "--set", "recipe.fit.epochs=300")
    wait_for(process, folder / "fit" / "last.ckpt")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    assert (folder / "fit" / "last.ckpt").is_file()


def test_an_interrupted_quantisation_resumes_to_the_same_weights(
    tmp_path: Path, uninterrupted: Path, tinyscene, untimed, monkeypatch
):
    import shutil

    from tinyscene.train.keeper import Keeper

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        shutil.copytree(uninterrupted, folder)
    assert tinyscene("compress", whole).code == 0

    kept = Keeper.on_train_epoch_end

    def stop_after_the_first(self, trainer, module):
        kept(self, trainer, module)
        if trainer.current_epoch == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_epoch_end", stop_after_the_first)
        assert tinyscene("compress", cut).code == 130
    assert not (cut / "int8" / "weights.pt").exists()
    assert tinyscene("compress", cut, "--resume").code == 0
    assert same_weights(cut / "int8" / "weights.pt", whole / "int8" / "weights.pt")


def test_resume_refuses_other_settings(uninterrupted: Path, tinyscene, scenes: Path, narrow: Path):
    answer = tinyscene("train", narrow, "--data", scenes, "--out", uninterrupted, "--seed", 2, *EPOCHS, "--resume")
    assert answer.code == 2
    assert "started with seed 1, 2 came" in answer.err


def test_training_does_not_overwrite_a_run(uninterrupted: Path, tinyscene, scenes: Path, narrow: Path):
    before = (uninterrupted / "fit" / "weights.pt").read_bytes()
    answer = tinyscene("train", narrow, "--data", scenes, "--out", uninterrupted)
    assert answer.code == 2
    assert "exists already; continue it with --resume" in answer.err
    assert (uninterrupted / "fit" / "weights.pt").read_bytes() == before


def test_another_seed_gives_other_weights(uninterrupted: Path, tinyscene, scenes: Path, narrow: Path, tmp_path: Path):
    folder = tmp_path / "run"
    words = ("--set", "recipe.fit.epochs=1", "--seed", 2)
    assert tinyscene("train", narrow, "--data", scenes, "--out", folder, *words).code == 0
    assert not same_weights(folder / "fit" / "weights.pt", uninterrupted / "fit" / "weights.pt")
