"""write_executorch: the file says what the network says; nothing is written which disagrees."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tinyscene import load_system
from tinyscene.errors import MissingExtraError, ModelError
from tinyscene.export import Export, executorch
from tinyscene.export.executorch import ExecutorchModel, write_executorch
from tinyscene.train import Decision

PRECISIONS = ("float32", "int8")


@pytest.fixture(scope="module")
def tiny(trained) -> Callable[[str], tuple[Export, torch.Tensor]]:
    """By precision: the baseline of 2022, which is quickly lowered, and 6 windows."""
    system = load_system("dcase2022-baseline")
    return trained(system, system.model, Decision(10))


def test_without_the_library_it_says_which_extra(tiny, tmp_path, monkeypatch):
    export, waveforms = tiny("float32")
    monkeypatch.setitem(sys.modules, "executorch", None)
    for name in [name for name in sys.modules if name.startswith("executorch.")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"writing a .pte file needs .*pip install '\.\[executorch\]'"):
        write_executorch(export, tmp_path / "tiny.pte", waveforms)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def files(tiny, tmp_path_factory) -> dict[str, Path]:
    pytest.importorskip("executorch", reason="executorch is not here: pip install '.[executorch]'")
    folder = tmp_path_factory.mktemp("executorch")
    return {key: write_executorch(tiny(key)[0], folder / f"{key}.pte", tiny(key)[1]) for key in PRECISIONS}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_runtime_says_what_the_network_says(files, tiny, precision):
    export, waveforms = tiny(precision)
    model = ExecutorchModel.read(files[precision])
    with torch.no_grad():
        features = export.system.frontend.build().eval()(waveforms)
        logits = export.network(features).numpy()
        probabilities = export.decide(torch.from_numpy(logits)).numpy()
    assert np.ptp(probabilities, axis=0).max() > 0.05, "windows that are all alike prove nothing"
    assert (model.labels, model.card.precision) == (export.labels, precision)
    # All together, so that a window whose answer lies in memory that the next one writes over is seen.
    assert np.abs(model.logits(features.numpy()) - logits).max() < (0.05 if precision == "int8" else 1e-4)
    assert np.abs(model.probabilities(waveforms.numpy()) - probabilities).max() < (
        0.05 if precision == "int8" else 1e-4
    )


def test_int8_weights_take_one_byte(files):
    assert files["int8"].stat().st_size < 0.4 * files["float32"].stat().st_size


def test_a_file_that_disagrees_with_the_network_is_not_written(files, tiny, tmp_path, monkeypatch):
    export, waveforms = tiny("float32")
    monkeypatch.setattr(executorch, "_lowered", lambda *_: files["int8"].read_bytes())
    with pytest.raises(ModelError, match=r"the exported .pte file differs from the network by 0\.\d+ of probability"):
        write_executorch(export, tmp_path / "tiny.pte", waveforms)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_lowered_is_told_in_one_line(files, tiny, tmp_path):
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2, 3))[:, None].expand(-1, 10) * (2 if float(x.sum()) > 0 else 1)

    export, waveforms = tiny("float32")
    with pytest.raises(ModelError, match=r"^tiny cannot be converted to ExecuTorch \(") as caught:
        write_executorch(replace(export, network=Odd()), tmp_path / "tiny.pte", waveforms)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "shape", "sum"])
def test_what_is_not_whole_is_told(files, tmp_path, damage):
    import hashlib

    data, card = files["int8"].read_bytes(), json.loads(Path(f"{files['int8']}.json").read_text())
    if damage == "cut":
        data = data[: len(data) // 3]
    if damage == "shape":
        card["input"]["shape"] = [1, 1, 40]
    if damage != "sum":
        card["sha256"] = hashlib.sha256(data).hexdigest()
    else:
        data = data[:-1] + b"?"
    (tmp_path / "m.pte").write_bytes(data)
    (tmp_path / "m.pte.json").write_text(json.dumps(card))
    told = {"cut": "cannot be run by ExecuTorch", "shape": "takes four sizes", "sum": "the sums differ"}[damage]
    with pytest.raises(ModelError, match=told):
        ExecutorchModel.read(tmp_path / "m.pte")
