"""Whatever is opened, an answer comes out or an error of tinyscene's: no crash, no hang, no gigabytes.

500 damaged files here, 50,000 with the marker `full`; TINYSCENE_FUZZ=N takes N. Each is made from its number, the seed:
`python tests/runtime/fuzzing.py SEED SEED+1 FOLDER` opens one of them again, with FOLDER/seeds as the test made it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tinyscene.runtime.model_file import sealed

A_PROCESS = 2_500  # inputs that one process opens


@pytest.fixture
def folder(tmp_path, tiny_model, written) -> Path:
    """Where the inputs are written, with the model files that they are made from."""
    (tmp_path / "seeds").mkdir()
    tiny_model("seeds/0-features.onnx")
    tiny_model("seeds/1-waveform.onnx", batch=3, form="waveform", frontend={})
    for i, name in enumerate(("int8-features", "float32-waveform"), start=2):
        precision, form = name.split("-")
        (tmp_path / "seeds" / f"{i}-{name}.onnx").write_bytes(sealed(written.path[precision, form].read_bytes()))
    return tmp_path


def opened(first: int, last: int, folder: Path) -> list[str]:
    """What went wrong with the inputs first to last - 1; a process that dies is told with its seed, and followed on."""
    wrong: list[str] = []
    script = Path(__file__).with_name("fuzzing.py")
    while first < last:
        end = min(first + A_PROCESS, last)
        (folder / "now").write_text(str(first))
        done = subprocess.run(
            [sys.executable, str(script), str(first), str(end), str(folder)],
            capture_output=True,
            text=True,
            errors="replace",
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        wrong += done.stdout.splitlines()
        now = (folder / "now").read_text()
        if now == "done":
            first = end
            continue
        if done.returncode >= 0:
            raise AssertionError(f"seed {now}: {done.stderr[-2_000:]}")  # the fuzzer itself is wrong
        why = "hung" if done.returncode == -signal.SIGALRM else f"died of {signal.Signals(-done.returncode).name}"
        wrong.append(f"seed {now}: {why}: {done.stderr[-300:]}")
        first = int(now) + 1
    return wrong


def test_damaged_files_are_answered_or_refused(folder):
    assert not (wrong := opened(0, int(os.environ.get("TINYSCENE_FUZZ", 500)), folder)), "\n".join(wrong)


@pytest.mark.full
def test_many_damaged_files_are_answered_or_refused(folder):
    n = int(os.environ.get("TINYSCENE_FUZZ", 50_000))
    assert not (wrong := opened(1_000_000, 1_000_000 + n, folder)), "\n".join(wrong)
