"""tinyscene reproduce: what it takes, and which verb takes a file."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["./n/mine.py", "./n/mine.py:MINE"])
def test_a_file_is_sent_to_train(tinyscene, tmp_path: Path, name: str):
    answer = tinyscene("reproduce", name, "--data", "scenes", "--out", tmp_path / "out")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "takes the name of a system or of a report" in answer.err
    assert f"tinyscene train {name} --data scenes --out {tmp_path / 'out'}" in answer.err
    assert not list(tmp_path.iterdir())
