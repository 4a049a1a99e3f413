"""Files with a card beside them: what decides otherwise is refused, what merely rounds otherwise is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tinyscene import load_system
from tinyscene.errors import ModelError
from tinyscene.export import Export
from tinyscene.export.beside import Opened, prove, write_proven
from tinyscene.runtime.card_file import card_path, card_text
from tinyscene.runtime.decision import Fusion
from tinyscene.runtime.model_file import ModelCard
from tinyscene.train import Decision

EXPORT = Export("tiny", load_system("dsmn-1"), (), torch.nn.Identity(), Decision(10), "int8", {}, {})
STEP = 1 / 256
RNG = np.random.default_rng(0)
# As of an untrained network: no probability far from 1/10, 16 windows that differ by 10 steps each way or so.
LEVEL = (RNG.normal(0, 0.05, (1, 10)) + RNG.normal(0, 10 * STEP, (16, 10))).astype(np.float32)
# As of a trained one: each window far on the side of its class.
SURE = (5 * np.eye(10)[np.arange(16) % 10] + RNG.normal(0, 0.5, (16, 10))).astype(np.float32)


def proven(given: np.ndarray, expected: np.ndarray, export: Export = EXPORT, step: float | None = STEP) -> Any:
    fusion = Fusion(10)
    return prove(export, ".tflite", given, fusion(given), (expected, fusion(expected)), step)


def test_the_same_answers_are_told_as_such():
    same = {"windows": 16, "same_class": 16, "largest_difference": 0.0, "largest_difference_steps": 0.0}
    assert proven(LEVEL, LEVEL) == same
    assert json.loads(json.dumps(proven(SURE, SURE))) == same
    assert "largest_difference_steps" not in proven(SURE, SURE, replace(EXPORT, precision="float32"), None)


def test_what_rounds_otherwise_is_written_and_told():
    """Many steps, where they are few beside what tells the windows apart."""
    strayed = SURE + STEP * np.where(np.arange(10) % 2, 12, -12)
    facts = proven(strayed.astype(np.float32), SURE)
    assert facts["same_class"] == 16
    assert facts["largest_difference_steps"] == pytest.approx(12, abs=1e-3)
    assert 0 < facts["largest_difference"] < 0.05


def test_one_window_in_ten_may_be_decided_otherwise_where_two_classes_are_level():
    level = np.zeros((20, 10), np.float32)
    level[:, 3] = 4 * STEP
    level += np.linspace(0, 0.5, 20, dtype=np.float32)[:, None] * np.eye(10, dtype=np.float32)[0] * -1
    given = level.copy()
    given[:2, 4] = 5 * STEP
    assert proven(given, level)["same_class"] == 18
    given[2, 4] = 5 * STEP
    with pytest.raises(ModelError, match=r"differs from the network in the class of 3 of 20 windows"):
        proven(given, level)


@pytest.mark.parametrize("expected", [LEVEL, SURE])
@pytest.mark.parametrize("wrong", ["of other windows", "the same for all", "another network's", "one class", "nan"])
def test_wrong_answers_are_refused_also_of_a_network_that_tells_little(expected, wrong):
    given = {
        "of other windows": np.roll(expected, 1, axis=0),
        "the same for all": np.repeat(expected.mean(0, keepdims=True), 16, axis=0),
        "another network's": np.random.default_rng(1).permutation(expected.T).T,
        "one class": expected + 0.2 * np.eye(10, dtype=np.float32)[expected.argmin(1)],
        "nan": expected * np.nan,
    }[wrong]
    if expected is SURE and wrong == "one class":
        given = expected + 6 * np.eye(10, dtype=np.float32)[0]
    with pytest.raises(ModelError, match=r"^the exported .tflite file differs from the network .*it was not written"):
        proven(given, expected)


def test_what_neither_a_probability_nor_a_class_shows_is_refused():
    """One logit of a network that tells little, moved on all windows by more than the windows lie apart."""
    expected = LEVEL + 0.5 * np.eye(10, dtype=np.float32)[3]
    given = expected - 40 * STEP * np.eye(10, dtype=np.float32)[5]
    fusion = Fusion(10)
    assert np.abs(fusion(given) - fusion(expected)).max() < 0.05
    assert (given.argmax(1) == expected.argmax(1)).all()
    with pytest.raises(ModelError, match=r"by 40 steps of its int8 logits, 1\.\d\d of what tells the windows apart"):
        proven(given, expected)


def test_windows_that_are_all_alike_allow_a_few_steps():
    alike = np.repeat(SURE[:1], 4, axis=0)
    other = alike + 3 * STEP * np.where(np.arange(10) % 2, 1, -1).astype(np.float32)
    assert proven(other, alike)["largest_difference_steps"] == pytest.approx(3, abs=1e-3)
    with pytest.raises(ModelError, match=r"by \d+ steps of its int8 logits"):
        proven(alike + (other - alike) * 4, alike)


def test_the_card_tells_how_far(tmp_path):
    """As measured on the windows that the file was proven on."""
    system = load_system("dsmn-1")
    network = system.model.build().eval()
    export = replace(EXPORT, network=network, labels=system.task.classes, precision="float32")

    class Model:
        def logits(self, features: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return network(torch.from_numpy(features)).numpy()[:, :10]

    def opened(*_: Any) -> Opened:
        return Opened(Model(), {}, {}, None)  # type: ignore[arg-type]

    path = write_proven(export, tmp_path / "m.pte", 0.1 * torch.randn(2, 44_100), lambda *_: b"", opened)
    told = json.loads((tmp_path / f"{path.name}.json").read_text())["beside_the_network"]
    assert told["windows"] == told["same_class"] == 2
    assert told["largest_difference"] < 1e-6


def test_info_tells_it(tinyscene, tmp_path):
    """Of a file with a card beside it, whatever program runs it."""
    path, data = tmp_path / "m.tflite", b"a network"
    beside = {"windows": 16, "same_class": 15, "largest_difference": 0.0213, "largest_difference_steps": 2.0}
    card = ModelCard("m", "dsmn-1", "0.1.0", "features", "int8", ("high", "low"), 44_100, 44_100, "mean", {})
    path.write_bytes(data)
    Path(card_path(path)).write_text(card_text(card, data, {"beside_the_network": beside}))
    told = tinyscene("info", path).out
    assert "same class as the network on 15 of 16 windows, probabilities within 0.021, logits within 2" in told
    assert "next:" not in told
    assert json.loads(tinyscene("info", path, "--json").out)["beside_the_network"] == beside
    for odd in ("text", {"windows": "many"}, beside | {"largest_difference": "near"}, [1]):
        Path(card_path(path)).write_text(card_text(card, data, {"beside_the_network": odd}))
        answer = tinyscene("info", path)
        assert (answer.code, "same class" in answer.out) == (0, False)
    path.write_bytes(b"another")
    answer = tinyscene("info", path)
    assert answer.code == 2
    assert "the sums differ" in answer.err
