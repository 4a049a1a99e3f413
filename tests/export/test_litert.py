"""write_litert: the file says what the network says, int8 in and out; nothing is written which disagrees."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tinyscene import load_system
from tinyscene.compress import converted, fold, prepared
from tinyscene.errors import MissingExtraError, ModelError, OutputError
from tinyscene.export import Export, litert
from tinyscene.export.beside import fusion_of
from tinyscene.export.litert import unfolded, write_litert
from tinyscene.runtime.decision import Fusion
from tinyscene.runtime.litert_model import LitertModel
from tinyscene.train import Decision, group_membership

PRECISIONS = ("float32", "float16", "int8")
NARROW = {"widths": (4, 4), "segmented": (True, True), "stem": 4, "hidden": 6}
compile_network = litert._converted


@pytest.fixture(scope="session")
def tiny(trained) -> Callable[[str], tuple[Export, torch.Tensor]]:
    """By precision: two blocks of dsmn-1 with its group head, and 6 windows."""
    system = load_system("dsmn-1").with_settings({"frontend.spectral.n_mels": "16", "frontend.spectral.f_min": "200"})
    decide = Decision(10, group_membership(system.task.classes, system.task.groups), 0.4)
    return trained(system, system.model.but(**NARROW), decide)


def eager(export: Export, waveforms: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    with torch.no_grad():
        logits = export.network(export.system.frontend.build().eval()(waveforms))
        return logits.numpy(), export.decide(logits).numpy()


def test_unfolded_weights_are_the_same_steps(tiny):
    export, waveforms = tiny("int8")
    graph = unfolded(export.network)  # type: ignore[arg-type]
    kinds = {str(node.target) for node in graph.graph.nodes}
    assert "quantized_decomposed.quantize_per_channel.default" in kinds
    assert not any(value.dtype == torch.int8 and value.ndim > 1 for value in _held(graph))
    with torch.no_grad():
        features = export.system.frontend.build().eval()(waveforms)
        assert torch.equal(graph(features), export.network(features))


def _held(graph: nn.Module) -> list[torch.Tensor]:
    used = {str(node.target) for node in graph.graph.nodes if node.op == "get_attr"}  # type: ignore[union-attr]
    return [value for name, value in graph.named_buffers() if name in used]


@pytest.mark.parametrize("groups", [False, True])
def test_fusion_in_numpy_is_the_decision_in_torch(tiny, groups):
    export, _ = tiny("float32")
    decide = export.decide if groups else Decision(10)
    export = replace(export, decide=decide)
    logits = 5 * torch.randn(7, 13, generator=torch.Generator().manual_seed(1))
    fusion = fusion_of(export)
    assert np.abs(fusion(logits.numpy()) - decide(logits).numpy()).max() < 1e-6
    assert Fusion.from_dict(json.loads(json.dumps(fusion.to_dict())), "x") == fusion


def test_another_decision_is_refused(tiny, tmp_path):
    export, waveforms = tiny("float32")
    with pytest.raises(ModelError, match=r"tiny decides with Softmax; .* Export it as ONNX"):
        write_litert(replace(export, decide=nn.Softmax(1)), tmp_path / "tiny.tflite", waveforms)


def test_without_the_library_it_says_which_extra(tiny, tmp_path, monkeypatch):
    export, waveforms = tiny("float32")
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(MissingExtraError, match=r"writing a .tflite file needs .*pip install '\.\[tflite\]'"):
        write_litert(export, tmp_path / "tiny.tflite", waveforms)
    assert list(tmp_path.iterdir()) == []


# ---- with the libraries ----


@pytest.fixture(scope="session")
def libraries() -> None:
    for name in ("litert_torch", "ai_edge_litert"):
        pytest.importorskip(name, reason=f"{name} is not here: pip install '.[tflite]'")


@pytest.fixture(scope="session")
def files(libraries, tiny, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("litert")
    made = {}
    for precision in PRECISIONS:
        export, waveforms = tiny(precision)
        made[precision] = write_litert(export, folder / f"{precision}.tflite", waveforms)
    return made


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_runtime_says_what_the_network_says(files, tiny, precision):
    export, waveforms = tiny(precision)
    logits, probabilities = eager(export, waveforms)
    model = LitertModel.read(files[precision])
    assert (model.labels, model.card.precision, model.card.form) == (export.labels, precision, "features")
    assert model.card.claims == {"accuracy": 0.5}
    given = model.probabilities(waveforms.numpy())
    assert given.shape == (6, 10)
    assert np.abs(given.sum(1) - 1).max() < 1e-6
    assert np.ptp(probabilities, axis=0).max() > 0.05, "windows that are all alike prove nothing"
    assert np.abs(given - probabilities).max() < (0.05 if precision == "int8" else 1e-4)
    if precision == "int8":
        features = model.features(waveforms.numpy())
        assert model.output.scale
        assert np.abs(model.logits(features) - logits).max() <= 3.01 * model.output.scale


def test_int8_files_take_and_give_int8_and_hold_no_float_at_all(files):
    from tinyscene.runtime.litert_graph import read_litert

    graph = read_litert(files["int8"].read_bytes())
    takes, gives = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    assert (takes.shape, takes.kind) == ((1, 2, 16, 44), "INT8")
    assert (gives.shape, gives.kind) == ((1, 13), "INT8")
    assert {tensor.kind for tensor in graph.tensors} <= {"INT8", "INT32"}


def test_the_card_tells_a_device_all_it_needs(files, tiny):
    export, waveforms = tiny("int8")
    content = json.loads(Path(f"{files['int8']}.json").read_text())
    assert content["frontend"] == json.loads(json.dumps(export.system.frontend.constants()))
    assert content["labels"] == list(export.labels)
    assert (files["int8"].with_suffix(".labels.txt")).read_text().splitlines() == list(export.labels)
    # As a device would, with the card's numbers alone.
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]

    takes, gives = content["input"], content["output"]
    machine = Interpreter(model_path=str(files["int8"]))
    runner = machine.get_signature_runner()
    features = export.system.frontend.build().eval()(waveforms[:1]).numpy()
    steps = np.clip(np.rint(features / takes["scale"]) + takes["zero_point"], -128, 127).astype(np.int8)
    (given,) = runner(features=steps).values()
    logits = (given.astype(np.float64) - gives["zero_point"]) * gives["scale"]
    assert np.abs(logits - eager(export, waveforms[:1])[0]).max() <= 3.01 * gives["scale"]


def test_float16_weights_take_half_the_bytes(files):
    from tinyscene.runtime.litert_graph import read_litert

    held = {}
    for precision in ("float32", "float16"):
        tables = [t for t in read_litert(files[precision].read_bytes()).tensors if t.table is not None]
        held[precision] = sum(tensor.bytes for tensor in tables if tensor.kind.startswith("FLOAT"))
    assert held["float16"] < 0.6 * held["float32"]


def compiled(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, precision: str = "int8") -> None:
    """As if compiled again: the bytes of a file that is there."""
    monkeypatch.setattr(litert, "_converted", lambda *_: files[precision].read_bytes())


def test_a_file_that_disagrees_with_the_network_is_not_written(files, tiny, tmp_path, monkeypatch):
    export, waveforms = tiny("int8")
    compiled(files, monkeypatch)
    other = prepared(
        fold(export.system.model.but(**NARROW).build()),
        *[export.system.frontend.build().eval()(waveforms)[:2]],
    ).train()
    with torch.no_grad():
        other(export.system.frontend.build().eval()(waveforms))
    with pytest.raises(
        ModelError, match=r"the exported .tflite file differs from the network by .*; it was not written"
    ):
        write_litert(replace(export, network=converted(other).eval()), tmp_path / "tiny.tflite", waveforms)
    assert list(tmp_path.iterdir()) == []


def test_all_files_are_written_or_none(files, tiny, tmp_path, monkeypatch):
    export, waveforms = tiny("int8")
    compiled(files, monkeypatch)
    (tmp_path / "tiny.tflite").write_bytes(b"older")
    (tmp_path / "tiny.labels.txt").mkdir()  # the last of the three cannot be written
    with pytest.raises(OutputError):
        write_litert(export, tmp_path / "tiny.tflite", waveforms)
    assert (tmp_path / "tiny.tflite").read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.labels.txt", "tiny.tflite"]
    (tmp_path / "tiny.labels.txt").rmdir()
    write_litert(export, tmp_path / "tiny.tflite", waveforms)
    assert len(LitertModel.read(tmp_path / "tiny.tflite").labels) == 10
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.usefixtures("libraries")
def test_a_network_that_cannot_be_converted_is_told_in_one_line(tiny, tmp_path):
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.svdvals(x.mean(1))[:, :13]

    export, waveforms = tiny("float32")
    with pytest.raises(ModelError, match=r"^tiny cannot be converted to LiteRT \(.*Export it as ONNX") as caught:
        write_litert(replace(export, network=Odd()), tmp_path / "tiny.tflite", waveforms)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# ---- reading ----


@pytest.fixture
def copied(files, tmp_path) -> Path:
    for ending in (".tflite", ".tflite.json"):
        (tmp_path / f"m{ending}").write_bytes((files["int8"].parent / f"int8{ending}").read_bytes())
    return tmp_path / "m.tflite"


def with_card(path: Path, **changes: Any) -> None:
    card = Path(f"{path}.json")
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": 2}, "Upgrade"),
        ({"labels": ["a"]}, "1 labels for 10 classes"),
        ({"labels": [1] * 10}, "labels takes"),
        ({"decision": None}, "no object 'decision'"),
        ({"decision": {"n_classes": 1e400, "group_weight": 0, "shares": []}}, "decision takes"),
        ({"decision": {"n_classes": 10, "group_weight": 0.2, "shares": [[1], [2]]}}, "decision takes"),
        ({"frontend": {"class": "os.system"}}, "FrontEnd"),
        ({"form": "waveform"}, "form takes features"),
    ],
)
def test_a_card_that_does_not_fit_is_told(copied, changes, told):
    with_card(copied, **changes)
    with pytest.raises(ModelError, match=told) as caught:
        LitertModel.read(copied).probabilities(np.zeros((1, 44_100), np.float32))
    assert "\n" not in str(caught.value)


def test_files_that_are_not_each_others(copied, files):
    with pytest.raises(ModelError, match=r"m2.tflite does not exist"):
        LitertModel.read(copied.with_name("m2.tflite"))
    with pytest.raises(ModelError, match=r"a \.tflite file by its name"):
        LitertModel.read(f"{copied}.json")
    copied.write_bytes(files["float32"].read_bytes())
    with pytest.raises(ModelError, match="the sums differ"):
        LitertModel.read(copied)
    Path(f"{copied}.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="holds no JSON object"):
        LitertModel.read(copied)
    Path(f"{copied}.json").unlink()
    with pytest.raises(ModelError, match=r"m.tflite.json does not exist.* It lies beside m.tflite"):
        LitertModel.read(copied)
