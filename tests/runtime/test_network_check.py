"""What a network may be made of: all that our exporter writes, nothing that runs code, reads a path or is endless."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinyscene.errors import ModelError
from tinyscene.runtime import Classifier
from tinyscene.runtime.model_file import ModelCard, sealed
from tinyscene.runtime.network_check import OPERATORS, Refused, check_network

SIZE = 8_000  # samples of a window


def hostile(nodes: list, tensors: dict[str, Any], change: Any = None) -> bytes:
    """A sealed model of waveforms to two labels; the nodes make "extra" (a number) of "waveform"."""
    card = ModelCard("evil", "none", "0", "waveform", "float32", ("a", "b"), SIZE, SIZE, "mean", {})
    nodes = [
        *nodes,
        helper.make_node("ReduceMean", ["waveform", "one"], ["mean"], keepdims=1),
        helper.make_node("Add", ["mean", "extra"], ["sum"]),
        helper.make_node("Concat", ["sum", "mean"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    tensors = {"one": np.array([1]), **tensors}
    if not any("extra" in node.output for node in nodes):
        tensors.setdefault("extra", np.zeros(1, np.float32))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", SIZE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])],
        [
            value if isinstance(value, TensorProto) else numpy_helper.from_array(value, k)
            for k, value in tensors.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    if change:
        change(model)
    for key, value in card.metadata().items():
        model.metadata_props.add(key=key, value=value)
    return sealed(model.SerializeToString())


def refusal(data: bytes, tmp_path: Path) -> str:
    """What opening it, and classifying a second, is refused with."""
    path = tmp_path / "evil.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        Classifier(path).probabilities(np.zeros((2, SIZE), np.float32))
    text = str(caught.value)
    assert text.startswith(str(path))
    assert text.isprintable()
    return text


def test_the_plain_model_is_run(tmp_path):
    (tmp_path / "a.onnx").write_bytes(hostile([], {}))
    assert Classifier(tmp_path / "a.onnx").probabilities(np.zeros((3, SIZE), np.float32)).shape == (3, 2)


def test_all_that_our_exporter_writes_is_run(written, run):
    for path in (*written.path.values(), *run.glob("*.onnx")):
        check_network(path.read_bytes())
        assert {node.op_type for node in onnx.load(path).graph.node} <= OPERATORS


@pytest.mark.full
@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize(
    "name", ["pham-cnn", "amfm", "resnet-se", "dcase2022-baseline", "mini-segnet", "cnn6-ca", "cp-mobile", "dsmn-1"]
)
def test_each_published_network_is_run(tmp_path, name, precision):
    import torch

    from tinyscene import load_system
    from tinyscene.compress import converted, fold, prepared, settle
    from tinyscene.export import FORMS, Export, write_model
    from tinyscene.train import Decision

    system = load_system(name)
    waveforms = 0.05 * torch.randn(2, system.window_samples, generator=torch.Generator().manual_seed(0))
    network, front_end = system.model.build(), system.frontend.build().eval()
    with torch.no_grad():
        features = front_end(waveforms)
        network.train()(features)
    if precision == "int8":
        simulated = prepared(network.eval(), features)
        with torch.no_grad():
            simulated.train()(features)
        settle(simulated)
        ready = converted(simulated).eval()
    else:
        ready = fold(network.eval())
    labels = system.task.classes
    for form in FORMS:
        export = Export(name, system, labels, ready, Decision(len(labels)), precision, {}, {})
        path = write_model(export, form, tmp_path / f"{form}.onnx", waveforms)
        assert Classifier(path).probabilities(waveforms.numpy()).shape == (2, len(labels))


# ---- code and paths ----


def external(name: str, place: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=place)
    return tensor


@pytest.mark.parametrize("place", ["/etc/passwd", "../weights", "weights.bin"])
def test_numbers_in_another_file_are_refused(tmp_path, place):
    (tmp_path / "weights.bin").write_bytes(bytes(4))
    assert "its numbers lie in another file" in refusal(hostile([], {"extra": external("extra", place)}), tmp_path)


def test_numbers_in_another_file_are_refused_in_attributes_too(tmp_path):
    node = helper.make_node("Constant", [], ["extra"], value=external("value", "/etc/passwd"))
    assert "its numbers lie in another file" in refusal(hostile([node], {}), tmp_path)


@pytest.mark.parametrize("domain", ["com.microsoft", "evil", "ai.onnx.ml"])
def test_operators_of_libraries_are_refused(tmp_path, domain):
    node = helper.make_node("Add", ["one", "one"], ["extra"], domain=domain)
    assert f"an operator of '{domain}'" in refusal(hostile([node], {}), tmp_path)


@pytest.mark.parametrize(
    "name", ["If", "Loop", "Scan", "SequenceMap", "RandomNormal", "StringNormalizer", "ImageDecoder"]
)
def test_operators_that_no_network_needs_are_refused(tmp_path, name):
    assert f"the operator '{name}'" in refusal(hostile([helper.make_node(name, ["one"], ["extra"])], {}), tmp_path)


def test_graphs_inside_operators_are_refused(tmp_path):
    body = helper.make_graph([], "body", [], [])
    node = helper.make_node("Relu", ["one"], ["extra"], body=body)
    assert "its attribute has the field 6" in refusal(hostile([node], {}), tmp_path)


def test_functions_and_sparse_tensors_are_refused(tmp_path):
    def functions(model: onnx.ModelProto) -> None:
        model.functions.append(helper.make_function("d", "f", ["x"], ["x"], [], []))

    def sparse(model: onnx.ModelProto) -> None:
        model.graph.sparse_initializer.add()

    assert "its model has the field 25" in refusal(hostile([], {}, functions), tmp_path)
    assert "its graph has the field 15" in refusal(hostile([], {}, sparse), tmp_path)


def test_thousands_of_operators_are_refused(tmp_path):
    nodes = [helper.make_node("Neg", ["one" if i == 0 else f"n{i - 1}"], [f"n{i}"]) for i in range(20_001)]
    assert "more than 20,000 operators" in refusal(hostile(nodes, {}), tmp_path)


def test_names_that_are_no_text_are_refused(capfd):
    data = hostile([helper.make_node("Neg", ["waveform"], ["abcdef"])], {})
    with pytest.raises(Refused, match="names that are no ASCII"):
        check_network(data.replace(b"abcdef", b"abc\xff\xfef"))
    assert capfd.readouterr() == ("", "")


# ---- gigabytes ----

BIG = 1 << 31


def i64(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def total(*nodes: Any) -> list:
    return [*nodes, helper.make_node("ReduceSum", ["big"], ["extra"], keepdims=0)]


def doubled(first: str, n: int) -> list:
    names = [first, *(f"c{i}" for i in range(n - 1)), "big"]
    return total(*(helper.make_node("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)))


ones = np.ones(1, np.float32)
GIGABYTES = {
    "ConstantOfShape": (total(helper.make_node("ConstantOfShape", ["s"], ["big"])), {"s": i64(BIG)}),
    "a shape of 2^40": (total(helper.make_node("ConstantOfShape", ["s"], ["big"])), {"s": i64(1 << 20, 1 << 20)}),
    "Expand": (total(helper.make_node("Expand", ["x", "s"], ["big"])), {"x": ones, "s": i64(BIG)}),
    "Expand of the sound": (total(helper.make_node("Expand", ["waveform", "s"], ["big"])), {"s": i64(1 << 18, 1, 1)}),
    "Tile": (total(helper.make_node("Tile", ["x", "s"], ["big"])), {"x": ones, "s": i64(BIG)}),
    "Pad": (total(helper.make_node("Pad", ["x", "s"], ["big"])), {"x": ones, "s": i64(BIG, 0)}),
    "HannWindow": (total(helper.make_node("HannWindow", ["s"], ["big"])), {"s": np.array(BIG)}),
    "Range": (
        total(
            helper.make_node("Range", ["a", "b", "c"], ["r"]),
            helper.make_node("Cast", ["r"], ["big"], to=TensorProto.FLOAT),
        ),
        {"a": np.array(0), "b": np.array(BIG), "c": np.array(1)},
    ),
    "Resize": (
        total(helper.make_node("Resize", ["x", "", "k"], ["big"])),
        {"x": ones.reshape(1, 1, 1), "k": np.array([1, 1, BIG], np.float32)},
    ),
    "an outer product": (
        total(helper.make_node("MatMul", ["x", "y"], ["big"])),
        {"x": np.ones((1 << 16, 1), np.float32), "y": np.ones((1, 1 << 16), np.float32)},
    ),
    "padding of a convolution": (
        total(helper.make_node("Conv", ["x", "k"], ["big"], pads=[BIG // 2, BIG // 2])),
        {"x": ones.reshape(1, 1, 1), "k": ones.reshape(1, 1, 1)},
    ),
    "doubled again and again": (doubled("x", 32), {"x": ones}),
    "the sound, doubled again and again": (doubled("waveform", 22), {}),
}
OPENS = """
import resource, sys
import numpy as np
from tinyscene.errors import ModelError
from tinyscene.runtime import Classifier
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    Classifier(sys.argv[1]).probabilities(np.zeros((2, 8000), np.float32))
except ModelError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("what", GIGABYTES)
def test_gigabytes_are_refused(tmp_path, what):
    path = tmp_path / "evil.onnx"
    path.write_bytes(hostile(*GIGABYTES[what]))
    done = subprocess.run([sys.executable, "-c", OPENS, path], capture_output=True, text=True, timeout=60)
    said, _, grown = done.stdout.rstrip().rpartition("\n")
    assert re.match(rf"{re.escape(str(path))} (cannot be run|is not run)", said), (done.stdout, done.stderr)
    assert done.stderr == ""
    assert int(grown) < 1_500


@pytest.mark.parametrize("dims", [[1 << 40], [1 << 20, 1 << 20], [5], [-1], [1] * 9])
def test_a_tensor_larger_than_its_bytes_is_refused(tmp_path, dims):
    tensor = TensorProto(name="extra", data_type=TensorProto.INT8, dims=dims, raw_data=b"\0")
    told = refusal(hostile([], {"extra": tensor}), tmp_path)
    assert "a tensor of the shape" in told or "cannot be run" in told


def test_a_network_of_a_huge_fixed_batch_is_refused(tmp_path):
    def huge(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1 << 40

    assert "windows at once, too many" in refusal(hostile([], {}, huge), tmp_path)


def test_limits_hold_for_the_process(tmp_path):
    """What one model took is free again for the next."""
    (tmp_path / "good.onnx").write_bytes(hostile([], {}))
    good = Classifier(tmp_path / "good.onnx")
    for _ in range(3):
        refusal(hostile(*GIGABYTES["Expand of the sound"]), tmp_path)
        assert good.probabilities(np.zeros((40, SIZE), np.float32)).shape == (40, 2)
