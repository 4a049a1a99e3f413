"""tinyscene parity: what it prints of a run, of a file alone, of audio that came, and its exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from tinyscene.audio import write_wav
from tinyscene.runtime.model_file import read_model_file, sealed

FEATURES, WAVEFORM = "narrow-int8-features.onnx", "narrow-int8-waveform.onnx"


@pytest.fixture(scope="module")
def of_run(tinyscene, run):
    """The answer for a whole run, as JSON."""
    answer = tinyscene("parity", run, "--json")
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_a_run_is_compared_stage_by_stage_with_torch(of_run):
    roads = {(row["network"], row["road"]) for row in of_run["rows"]}
    assert {("narrow-fit", "torch"), ("narrow-int8", "torch, fake-quantised"), ("narrow-int8", "torch, int8")} < roads
    for kind in ("ONNX file", "runtime, whole clips", "stream"):
        assert {("narrow-fit", f"{kind}, features in"), ("narrow-int8", f"{kind}, waveform in")} < roads
    for row in of_run["rows"]:
        assert row["reference"] in ("", "torch", "torch, fake-quantised")
        assert row["ok"]
        assert row["n"] == 16
        assert row["ms"] > 0
        assert (row["n_bytes"] > 0) == ("torch" not in row["road"])
    assert of_run["sounds"] == "16 windows of synthetic sounds: test signals and scenes"


def test_what_is_not_there_is_told(of_run, run):
    wanted = f"narrow-fit, waveform in: no such model file; tinyscene export {run} --stage fit --form waveform"
    assert wanted in of_run["missing"]
    assert any("LiteRT" in line for line in of_run["missing"])
    assert any("ExecuTorch" in line for line in of_run["missing"])


def test_a_file_alone_is_compared_with_the_files_beside_it(tinyscene, run, tmp_path):
    for name in (FEATURES, WAVEFORM, "narrow-fit-features.onnx"):
        shutil.copy(run / name, tmp_path)
    answer = tinyscene("parity", tmp_path / FEATURES)
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert sum(line.startswith("narrow-int8: ") for line in lines) == 6
    assert not any(line.startswith("narrow-fit") for line in lines)
    assert sum("reference" in line for line in lines) == 1
    assert "not there: torch: the model lies in no run folder; give the run, or the model file in it" in lines


def test_audio_that_is_given_is_what_is_heard(tinyscene, run, tmp_path):
    shutil.copy(run / FEATURES, tmp_path)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 80_000).astype(np.float32)
    noise[16_000:64_000] = 0
    write_wav(tmp_path / "a.wav", noise, 16_000)
    write_wav(tmp_path / "b.wav", np.stack([noise[:9_000], noise[:9_000]]), 44_100)
    answer = tinyscene("parity", tmp_path / FEATURES, tmp_path / "a.wav", tmp_path / "b.wav", "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    # Five seconds, of which the third is silent from end to end (the resampler rings beside it), and a short clip.
    assert told["rows"][0]["n"] == 5
    assert told["sounds"] == "5 windows of 2 audio files, 1 silent window left out"


def test_one_window_shows_little_and_says_so(tinyscene, run, tmp_path):
    shutil.copy(run / FEATURES, tmp_path)
    write_wav(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32), 16_000)
    answer = tinyscene("parity", tmp_path / FEATURES, tmp_path / "a.wav")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("1 window of 1 audio file; ")
    assert "note: narrow-int8 heard one window: little is shown." in answer.out
    assert "nearly the same of all windows" not in answer.out


def test_a_broken_tolerance_is_exit_code_1(tinyscene, run, tmp_path, monkeypatch):
    from tinyscene.pipeline import parity

    for name in (FEATURES, WAVEFORM):
        shutil.copy(run / name, tmp_path)
    right = parity.made_sounds
    monkeypatch.setattr(parity, "TOLERANCE", {"int8": -1e-9})
    monkeypatch.setattr(parity, "made_sounds", lambda rate, window: right(rate, window)[:2])
    answer = tinyscene("parity", tmp_path / FEATURES)
    assert answer.code == 1
    assert "NO, -1e-09" in answer.out


@pytest.mark.parametrize(
    ("given", "said"),
    [("nothing.onnx", "does not exist"), (".", "is no run folder"), ("words.onnx", "not an ONNX file")],
)
def test_what_cannot_be_used_is_one_line(tinyscene, tmp_path, given, said):
    (tmp_path / "words.onnx").write_text("words, no model")
    answer = tinyscene("parity", tmp_path / given)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1


def other_weights(path: Path, weights: str = "0" * 16) -> None:
    """The file again, as one of another training of the same stage would say of itself."""
    data, card = read_model_file(path)
    model = onnx.load_from_string(data)
    onnx.helper.set_model_props(model, replace(card, weights=weights).metadata())
    path.write_bytes(sealed(model.SerializeToString()))


def test_a_file_of_other_weights_beside_a_file_is_named_and_left_out(tinyscene, run, tmp_path):
    for name in (FEATURES, WAVEFORM):
        shutil.copy(run / name, tmp_path)
    other_weights(tmp_path / WAVEFORM)
    for asked, left, form in ((FEATURES, WAVEFORM, "waveform"), (WAVEFORM, FEATURES, "features")):
        answer = tinyscene("parity", tmp_path / asked, "--json")
        assert answer.code == 0, answer.err
        told = json.loads(answer.out)
        assert len(told["rows"]) == 3
        assert not any(form in row["road"] for row in told["rows"])
        again = f"tinyscene export RUN --stage int8 --form {form}"
        assert f"{left}: of other weights than {asked} has; {again}" in told["missing"]
        assert not any("no such model file" in line for line in told["missing"])


def test_a_card_that_names_no_weights_is_taken_at_its_word(tinyscene, run, tmp_path):
    for name in (FEATURES, WAVEFORM):
        shutil.copy(run / name, tmp_path)
    other_weights(tmp_path / WAVEFORM, "")
    for asked in (FEATURES, WAVEFORM):
        assert len(json.loads(tinyscene("parity", tmp_path / asked, "--json").out)["rows"]) == 6


def test_files_of_a_stage_that_was_trained_anew(tinyscene, run, tmp_path):
    """Its own weights count; those of a file that is asked about are held to that file's."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    other_weights(copy / FEATURES)
    answer = tinyscene("parity", copy, "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    kinds = ("ONNX file", "runtime, whole clips", "stream")
    roads = [row["road"] for row in told["rows"] if row["network"] == "narrow-int8"]
    assert roads == ["torch, fake-quantised", "torch, int8", *(f"{kind}, waveform in" for kind in kinds)]
    again = f"tinyscene export {copy} --stage int8 --form features"
    assert f"{FEATURES}: of other weights than {copy / 'int8'} has; {again}" in told["missing"]
    told = json.loads(tinyscene("parity", copy / FEATURES, "--json").out)
    assert [row["road"] for row in told["rows"]] == [f"{kind}, features in" for kind in kinds]
    assert (
        f"torch: {copy / 'int8'} has other weights than {FEATURES}, which was made before; export it again"
        in (told["missing"])
    )
    for name in (WAVEFORM, "narrow-fit-features.onnx"):
        (copy / name).unlink()
    nothing = tinyscene("parity", copy)
    assert nothing.code == 2
    assert f"has no model file to compare; {FEATURES}: of other weights than" in nothing.err


WITHOUT_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoTorch())
from tinyscene.cli import main
"""


def test_a_file_alone_needs_no_torch(run, tmp_path):
    """With torch out of reach, as in the light install."""
    shutil.copy(run / FEATURES, tmp_path)
    program = WITHOUT_TORCH + (f"sys.argv = ['tinyscene', 'parity', {str(tmp_path / FEATURES)!r}, '--json']; main()")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["rows"]) == 3


def test_a_run_without_torch_is_compared_all_the_same(run):
    program = WITHOUT_TORCH + (f"sys.argv = ['tinyscene', 'parity', {str(run)!r}, '--json']; main()")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["rows"]) == 9
    assert any(line.startswith("torch: not installed") for line in told["missing"])
