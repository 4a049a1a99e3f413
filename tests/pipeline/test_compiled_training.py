"""--compile changes how long a training step takes, not what is learnt (make test-full); and what it cannot serve."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.mark.full
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler; nothing else here does")
def test_a_compiled_run_ends_as_the_plain_one(tinyscene, run, narrow, scenes, tmp_path):
    answer = tinyscene("train", narrow, "--data", scenes, "--out", tmp_path / "compiled", "--compile")
    assert answer.code == 0, answer.err
    losses = [
        [json.loads(line)["loss"] for line in (folder / "fit" / "journal.jsonl").read_text().splitlines()]
        for folder in (run, tmp_path / "compiled")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_what_changes_the_inside_of_a_network_is_not_compiled(tinyscene, narrow, scenes, tmp_path):
    text = narrow.read_text()
    assert "augment=Augment(" in text
    inside = 'augment=Augment(hidden=(Spec(SpecAugmentPlusPlus, at=("input",), frame_axis=-1),), '
    own = tmp_path / "inside.py"
    own.write_text("from tinyscene.augment import SpecAugmentPlusPlus\n" + text.replace("augment=Augment(", inside, 1))
    out = tmp_path / "run"
    answer = tinyscene("train", own, "--data", scenes, "--out", out, "--compile")
    assert answer.code == 2
    assert "--compile cannot serve SpecAugmentPlusPlus" in answer.err
    assert "train without --compile" in answer.err
    assert not out.exists()
