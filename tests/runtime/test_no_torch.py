"""The light install: audio and runtime work where torch cannot be imported, start fast and stay small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

PROGRAM = """
import json, sys, warnings

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "lightning", "torchaudio", "onnx", "av", "librosa"):
            raise ImportError(f"{name} was imported: the light install does not have it")

sys.meta_path.insert(0, NoTorch())
import tinyscene.audio, tinyscene.runtime
assert "numpy" not in sys.modules, "importing the packages is to cost nothing"
from tinyscene.runtime import classify
entries = classify(sys.argv[2:], sys.argv[1])
heavy = sorted({"torch", "lightning", "soxr", "scipy.signal", "pandas"} & set(sys.modules))
memory = [line for line in open("/proc/self/status") if line.startswith("VmHWM")] if sys.platform == "linux" else []
print(json.dumps({"entries": entries, "heavy": heavy, "peak_kb": int(memory[0].split()[1]) if memory else 0}))
"""


def run(*arguments: Path) -> dict:
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_nothing_is_noted_or_sent_about_what_is_run(tiny_model, tmp_path):
    """onnxruntime keeps what it tells its maker below the user's folder until it is sent."""
    home, clip = tmp_path / "home", tmp_path / "clip.wav"
    home.mkdir()
    soundfile.write(clip, np.random.default_rng(0).normal(0, 0.1, 44_100), 44_100)
    script = "import sys, tinyscene; tinyscene.classify(sys.argv[2], sys.argv[1])"
    command = [sys.executable, "-c", script, str(tiny_model("a.onnx")), str(clip)]
    kept = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY" and "XDG" not in key}
    subprocess.run(command, check=True, capture_output=True, timeout=60, env=kept | {"HOME": str(home)})
    assert list(home.rglob("*")) == []


def test_clip_is_classified_without_torch_in_150_mb(tiny_model, tmp_path):
    sound = 0.1 * np.random.default_rng(0).standard_normal(80_000)
    soundfile.write(tmp_path / "a.wav", sound, 8_000)
    result = run(tiny_model(), tmp_path / "a.wav")
    assert [entry["file"] for entry in result["entries"]] == [str(tmp_path / "a.wav")]
    assert result["heavy"] == []
    assert result["peak_kb"] < 150_000


def test_only_resampling_loads_soxr(tiny_model, tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(44_100), 44_100)
    assert run(tiny_model(), tmp_path / "a.wav")["heavy"] == ["soxr"]


def test_every_public_name_is_there():
    import tinyscene.audio
    import tinyscene.runtime

    for package in (tinyscene.audio, tinyscene.runtime):
        for name in package.__all__:
            assert getattr(package, name).__name__ == name
