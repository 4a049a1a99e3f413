"""Counts of files from other tools: held to torch's counts of the same network, or to sums by hand."""

from __future__ import annotations

import io
import random
import warnings
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from tinyscene.errors import ModelError
from tinyscene.evaluate import count_complexity, count_onnx

SAME = ("parameters", "macs", "macs_true", "macs_tflite")


def exported(network: nn.Module, x: torch.Tensor, free: dict[int, str] | None = None, **options: Any) -> bytes:
    """By torch's older exporter, which needs no further package; `free` names axes of the input."""
    file: Any = io.BytesIO()
    axes = {"x": free} if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (x,),
            file,
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes=axes,
            **options,
        )
    return file.getvalue()


def filled(network: nn.Module) -> nn.Module:
    """With numbers that no exporter takes for equal, or for nothing."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    return network


class Plain(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.append(nn.Linear(16, 10))


class Over(nn.Module):
    """A recurrent layer or attention over (batch, 20 frames, 8), and a linear layer of its last frame or mean."""

    def __init__(self, inner: nn.Module, width: int):
        super().__init__()
        self.inner, self.out = inner, nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(self.inner, nn.MultiheadAttention):
            return self.out(self.inner(x, x, x, need_weights=False)[0].mean(1))
        return self.out(self.inner(x)[0][:, -1])


IMAGE, FRAMES = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(1)), torch.zeros(1, 20, 8)


@pytest.fixture(scope="module")
def plain() -> tuple[bytes, dict]:
    network = filled(Plain())
    return exported(network, IMAGE), count_complexity(network, IMAGE, 1.0)


def assert_same(counts: dict, expected: dict, keys: tuple[str, ...] = SAME) -> None:
    assert {key: counts[key] for key in keys} == {key: expected[key] for key in keys}


# ---- where weights can lie ----


def test_constants_among_the_inputs_count(plain):
    data = exported(filled(Plain()), IMAGE, keep_initializers_as_inputs=True)
    assert len(onnx.load_from_string(data).graph.input) == 7
    assert_same(count_onnx(data, 1.0), plain[1], (*SAME, "bytes", "peak_activation_bytes"))
    model = onnx.load_from_string(data)
    model.ir_version = 3
    assert_same(count_onnx(model.SerializeToString(), 1.0), plain[1], (*SAME, "bytes"))


@pytest.mark.parametrize("way", ["Constant", "Cast", "Identity", "Transpose", "QuantizeLinear"])
def test_constants_behind_other_operators_count_as_stored(plain, way):
    model = onnx.load_from_string(plain[0])
    graph, nodes = model.graph, []
    for item in list(graph.initializer):
        array, name = numpy_helper.to_array(item), item.name
        if way == "Constant":
            nodes.append(helper.make_node("Constant", [], [name], value=item))
        elif way == "Cast":
            graph.initializer.append(numpy_helper.from_array(array.astype(np.float16), name + "/"))
            nodes.append(helper.make_node("Cast", [name + "/"], [name], to=TensorProto.FLOAT))
        elif way == "QuantizeLinear":
            graph.initializer.append(numpy_helper.from_array(array, name + "/"))
            graph.initializer.append(numpy_helper.from_array(np.array(0.1, np.float32), name + "/step"))
            nodes.append(helper.make_node("QuantizeLinear", [name + "/", name + "/step"], [name + "/q"]))
            nodes.append(helper.make_node("DequantizeLinear", [name + "/q", name + "/step"], [name]))
        else:
            graph.initializer.append(numpy_helper.from_array(array.T if way == "Transpose" else array, name + "/"))
            nodes.append(helper.make_node(way, [name + "/"], [name]))
        graph.initializer.remove(item)
    for node in reversed(nodes):
        graph.node.insert(0, node)
    counts = count_onnx(model.SerializeToString(), 1.0)
    assert_same(counts, plain[1])
    assert counts["bytes"] == plain[1]["parameters"] * (2 if way == "Cast" else 4)
    assert counts["bytes_by_type"].keys() == {"float16" if way == "Cast" else "float32"}


def test_a_weight_that_is_worked_out_is_refused(plain):
    model = onnx.load_from_string(plain[0])
    for node in model.graph.node:
        if node.op_type == "Gemm":
            node.input[1] = "product"
    weight = next(item.name for item in model.graph.initializer if list(item.dims) == [10, 16])
    model.graph.node.insert(0, helper.make_node("Mul", [weight, weight], ["product"]))
    with pytest.raises(ModelError, match="holds weights in operators that are not counted: Mul"):
        count_onnx(model.SerializeToString(), 1.0)


# ---- quantised by onnxruntime ----


@pytest.mark.parametrize("form", ["QOperator", "QDQ", "dynamic"])
def test_onnxruntimes_quantised_forms_count_as_the_network(plain, form, tmp_path):
    quantization = pytest.importorskip("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = [{"x": IMAGE.numpy()}]

        def get_next(self) -> dict | None:
            return self.left.pop() if self.left else None

    source, made = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    source.write_bytes(plain[0])
    if form == "dynamic":
        quantization.quantize_dynamic(source, made)
    else:
        quantization.quantize_static(source, made, Reader(), quant_format=quantization.QuantFormat[form])
    counts, expected = count_onnx(made.read_bytes(), 1.0), plain[1]
    assert_same(counts, expected)
    biases = 8 + 16 + 10
    assert counts["bytes"] == expected["parameters"] - biases + 4 * biases
    if form == "QOperator":
        assert counts["peak_activation_bytes"] == expected["peak_activation_bytes"] // 4


def test_a_dynamically_quantised_lstm_counts_as_the_lstm(tmp_path):
    quantization = pytest.importorskip("onnxruntime.quantization")
    source, made = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    source.write_bytes(exported(filled(Over(nn.LSTM(8, 16, batch_first=True), 16)), FRAMES))
    quantization.quantize_dynamic(source, made)
    assert {"DynamicQuantizeLSTM"} <= {node.op_type for node in onnx.load(made).graph.node}
    assert_same(count_onnx(made.read_bytes(), 1.0), count_onnx(source.read_bytes(), 1.0), SAME[:3])


# ---- layers ----


@pytest.mark.parametrize("free", [None, {0: "batch"}])
@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("both_ways", [False, True])
def test_recurrent_layers(kind, gates, both_ways, free):
    network = filled(Over(kind(8, 16, batch_first=True, bidirectional=both_ways), 32 if both_ways else 16))
    counts = count_onnx(exported(network, FRAMES, free), 1.0)
    ways, last = 1 + both_ways, 10 * 16 * (1 + both_ways)
    products = ways * gates * 16 * (8 + 16)
    assert (
        counts["parameters"]
        == sum(p.numel() for p in network.parameters())
        == products + 2 * ways * gates * 16 + last + 10
    )
    assert counts["macs"] == 20 * (products + 2 * ways * gates * 16) + last + 10
    assert counts["macs_true"] == 20 * products + last


@pytest.mark.parametrize("free", [None, {0: "batch"}])
def test_attention_with_any_batch(free):
    network = filled(Over(nn.MultiheadAttention(8, 2, batch_first=True), 8))
    counts = count_onnx(exported(network, FRAMES, free), 1.0)
    assert counts["macs_true"] == 4 * 20 * 8 * 8 + 2 * 20 * 20 * 8 + 80 == 11_600
    assert counts["parameters"] == sum(p.numel() for p in network.parameters())
    assert counts["macs_true"] == count_complexity(network, FRAMES, 1.0)["macs_true"]


@pytest.mark.parametrize(
    ("network", "x"),
    [
        (nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)), FRAMES),
        (nn.Sequential(nn.Conv2d(1, 8, 3), nn.GroupNorm(2, 8)), IMAGE),
        (nn.Sequential(nn.Conv2d(1, 8, 3), nn.InstanceNorm2d(8, affine=True)), IMAGE),
        (nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 8, 3)), IMAGE),
        (nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ConvTranspose2d(8, 4, 2, 2)), IMAGE),
        (nn.Sequential(nn.Conv1d(20, 8, 3, groups=4), nn.PReLU(8)), FRAMES),
    ],
    ids=lambda value: type(value[-1]).__name__ if isinstance(value, nn.Sequential) else "",
)
@pytest.mark.parametrize("opset", [12, 18])
def test_layers_count_as_in_torch(network, x, opset):
    counts = count_onnx(exported(filled(network), x, opset_version=opset), 1.0)
    assert_same(counts, count_complexity(network, x, 1.0), SAME[:3])


def graph_of(nodes: list, tables: dict, sizes: list, domain: str = "", opset: int = 23) -> bytes:
    """A file with one input x and one output y."""
    graph = helper.make_graph(
        nodes,
        "by_hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(table, name) for name, table in tables.items()],
    )
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def test_einsum_and_attention_by_hand():
    weight = np.ones((2, 6, 5), np.float32)
    nodes = [helper.make_node("Einsum", ["x", "w"], ["z"], equation="bhtc,hcd->bhtd")]
    nodes += [helper.make_node("Attention", ["z", "z", "z"], ["y"])]
    counts = count_onnx(graph_of(nodes, {"w": weight}, ["b", 2, 7, 6]), 1.0)
    assert counts["parameters"] == counts["macs"] == 60
    assert counts["macs_true"] == 2 * 7 * 6 * 5 + 2 * (2 * 7 * 7 * 5)


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (helper.make_node("Max", ["x", "w"], ["y"]), "weights in operators that are not counted: Max"),
        (helper.make_node("Concat", ["x", "w"], ["y"], axis=0), "not counted: Concat"),
        (helper.make_node("Nonsense", ["x"], ["y"]), "not counted: Nonsense"),
        (helper.make_node("Attention", ["x", "w"], ["y"], domain="com.microsoft"), r"Attention \(com.microsoft\)"),
        (
            helper.make_node("LinearClassifier", ["x"], ["label", "y"], domain="ai.onnx.ml"),
            r"LinearClassifier \(ai.onnx.ml\)",
        ),
        (helper.make_node("Gather", ["w", "x"], ["y"]), "not counted: Gather"),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_what_is_not_understood_does_not_pass_for_nothing(node, told):
    data = graph_of([node], {"w": np.ones((4, 4), np.float32)}, ["b", 4], node.domain)
    with pytest.raises(ModelError, match=told):
        count_onnx(data, 1.0)


# ---- sizes ----


def test_free_axes_beside_the_batch_are_refused_by_name():
    with pytest.raises(ModelError, match=r"free axes height, width: export it with fixed sizes"):
        count_onnx(exported(Plain(), IMAGE, {0: "batch", 2: "height", 3: "width"}), 1.0)


def test_an_axis_named_like_the_batch_is_one():
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    counts = count_onnx(graph_of([node], {"w": np.ones((4, 3), np.float32)}, ["b", 5, "b", 4]), 1.0)
    assert counts["macs_true"] == 5 * 4 * 3


@pytest.mark.parametrize(("size", "told"), [(2, "input is too small: Conv would make"), (-5, "a size of -5")])
def test_sizes_below_one_are_refused(plain, size, told):
    model = onnx.load_from_string(plain[0])
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = size
    with pytest.raises(ModelError, match=told):
        count_onnx(model.SerializeToString(), 1.0)


# ---- files made or damaged to break a reader ----


def spoiled(data: bytes, how: str) -> bytes:
    model = onnx.load_from_string(data)
    table, node = model.graph.initializer[0], model.graph.node[0]
    if how == "short":
        table.raw_data = b"1234"
    elif how == "huge":
        table.dims[0] = 10**12
    elif how == "negative":
        table.dims[0] = -1
    elif how == "type":
        table.data_type = 99
    elif how == "missing":
        node.input[1] = "nowhere"
    elif how == "circle":
        node.input[0] = model.graph.node[-1].output[0]
    elif how == "no inputs":
        del node.input[:]
    else:
        model.functions.add().name = "mine"
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        *[("short", "holds 4 bytes"), ("huge", "9000000000000 numbers"), ("negative", "below 0"), ("type", "type 99")],
        *[
            ("missing", "reads 'nowhere'"),
            ("circle", "nothing before it makes"),
            ("no inputs", "breaks ONNX's rules"),
            ("calls", "mine"),
        ],
    ],
)
def test_spoiled_files_are_told_in_one_line(plain, how, told):
    with pytest.raises(ModelError, match=told) as caught:
        count_onnx(spoiled(plain[0], how), 1.0)
    assert "\n" not in str(caught.value)


def test_quantising_in_a_circle_ends():
    nodes = [
        helper.make_node("DequantizeLinear", ["b", "s"], ["a"]),
        helper.make_node("QuantizeLinear", ["a", "s"], ["b"]),
        helper.make_node("Mul", ["a", "x"], ["y"]),
    ]
    with pytest.raises(ModelError, match="nothing before it makes"):
        count_onnx(graph_of(nodes, {"s": np.array(1, np.float32)}, [1, 4]), 1.0)


def test_no_damaged_file_is_anything_but_counted_or_refused(plain):
    """Bytes changed at random, in a plain file and one whose shapes are worked out on the way."""
    chance = random.Random(0)
    files = [plain[0], exported(Over(nn.LSTM(8, 16, batch_first=True), 16), FRAMES, {0: "batch"})]
    told = []
    for n in range(500):
        data = bytearray(files[n % 2])
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            count_onnx(bytes(data), 1.0)
        except ModelError as error:
            told.append(str(error))
    assert 50 < len(told) < 450
    assert not any("\n" in line for line in told)
