"""Each slimming pass on a small graph of its own: the same answers by onnxruntime before and after, in fewer bytes."""

from __future__ import annotations

import collections
import copy

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinyscene.export import slimming
from tinyscene.runtime.filterbanks import mel_filterbank

RNG = np.random.default_rng(0)


def graph_of(nodes, constants, x_shape, y_shape) -> onnx.ModelProto:
    """x -> nodes -> y, with constants of these names."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y_shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def answers(model: onnx.ModelProto, x: np.ndarray, optimised: bool = True) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def after(slim, model: onnx.ModelProto) -> onnx.ModelProto:
    changed = copy.deepcopy(model)
    slim(changed)
    return changed


def same(model: onnx.ModelProto, changed: onnx.ModelProto, x: np.ndarray, tolerance: float = 0.0) -> bool:
    return all(
        np.abs(answers(model, x, optimised) - answers(changed, x, optimised)).max() <= tolerance
        for optimised in (True, False)
    )


def operators(model: onnx.ModelProto) -> dict[str, int]:
    return dict(collections.Counter(node.op_type for node in model.graph.node))


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


# ---- integers ----

QUANTISED = {
    "x_scale": np.float32(1 / 64),
    "x_zero": np.int8(-16),
    "weight": RNG.integers(-127, 128, (4, 6), dtype=np.int8),
    "weight_scale": np.linspace(0.01, 0.04, 4, dtype=np.float32),
    "weight_zero": np.zeros(4, dtype=np.int8),
    "bias": np.linspace(-1, 1, 4, dtype=np.float32),
    "y_scale": np.float32(1 / 8),
    "y_zero": np.int8(16),
}


def quantised_layer(**changes) -> onnx.ModelProto:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["x_whole"]),
        helper.make_node("DequantizeLinear", ["x_whole", "x_scale", "x_zero"], ["x_steps"]),
        helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["weights"], axis=0),
        helper.make_node("Gemm", ["x_steps", "weights", "bias"], ["sums"], transB=1),
        helper.make_node("QuantizeLinear", ["sums", "y_scale", "y_zero"], ["y_whole"]),
        helper.make_node("DequantizeLinear", ["y_whole", "y_scale", "y_zero"], ["y"]),
    ]
    return graph_of(nodes, QUANTISED | changes, ["n", 6], ["n", 4])


X = RNG.uniform(-2.5, 2.5, (50, 6)).astype(np.float32)


def test_unsigned_activations_are_the_same_values():
    model = quantised_layer()
    changed = after(slimming.unsigned_activations, model)
    assert same(model, changed, X)
    constants = constants_of(changed)
    for node in changed.graph.node:
        if node.op_type == "QuantizeLinear":
            assert constants[node.input[2]].dtype == np.uint8
    assert sorted(int(constants[f"{name}_zero_unsigned"]) for name in "xy") == [112, 144]
    assert constants["weight"].dtype == constants["weight_zero"].dtype == np.int8


def test_unsigned_activations_cover_ends_of_the_range_and_zero_points_of_their_own():
    """A dequantiser may hold a zero point of another name, equal in value, and one zero point serve both kinds."""
    model = quantised_layer(x_zero=np.int8(-128), y_zero=np.int8(127), other_zero=np.int8(127))
    model.graph.node[5].input[2] = "other_zero"
    changed = after(slimming.unsigned_activations, model)
    assert same(model, changed, X)
    assert {int(v) for name, v in constants_of(changed).items() if name.endswith("unsigned")} == {0, 255}


def test_unsigned_activations_leave_unsigned_ones_alone():
    once = after(slimming.unsigned_activations, quantised_layer())
    twice = after(slimming.unsigned_activations, once)
    assert [list(node.input) for node in twice.graph.node] == [list(node.input) for node in once.graph.node]
    assert same(once, twice, X)


def test_a_slim_fully_connected_layer_is_one_integer_operator(tmp_path):
    """Without uint8 activations, or without the zero points of its weights, onnxruntime computes it in float."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    data = slimming.slim(quantised_layer()).SerializeToString()
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    found = operators(onnx.load(tmp_path / "optimised.onnx"))
    assert found == {"QuantizeLinear": 1, "QGemm": 1, "DequantizeLinear": 1}


# ---- tables ----


def times(table: np.ndarray) -> onnx.ModelProto:
    return graph_of(
        [helper.make_node("MatMul", ["table", "x"], ["y"])], {"table": table}, [table.shape[1], 3], [len(table), 3]
    )


def test_sparse_tables_are_put_together_bit_by_bit():
    bank = mel_filterbank(8_000, 512, 64, 0.0, 4_000.0, "htk", "slaney").astype(np.float32)
    model = times(bank)
    changed = after(slimming.sparse_tables, model)
    assert changed.ByteSize() < model.ByteSize() / 4
    assert "table" not in constants_of(changed)
    x = RNG.normal(size=(bank.shape[1], 3)).astype(np.float32)
    assert same(model, changed, x)
    identity = np.eye(bank.shape[1], 3, dtype=np.float32)
    assert np.array_equal(answers(changed, identity), bank[:, :3])


def test_two_sparse_tables_do_not_get_in_each_others_way():
    first, second = (np.diag(RNG.normal(size=80)).astype(np.float32) for _ in range(2))
    nodes = [helper.make_node("MatMul", ["a", "x"], ["ax"]), helper.make_node("MatMul", ["b", "ax"], ["y"])]
    model = graph_of(nodes, {"a": first, "b": second}, [80, 3], [80, 3])
    changed = after(slimming.sparse_tables, model)
    assert operators(changed)["ScatterElements"] == 2
    assert same(model, changed, RNG.normal(size=(80, 3)).astype(np.float32))


def sparse(shape: tuple[int, int], share: float) -> np.ndarray:
    table = np.zeros(shape[0] * shape[1], dtype=np.float32)
    table[: int(table.size * share)] = 1.5
    return table.reshape(shape)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(sparse((64, 64), 0.26), id="more than a quarter filled"),
        pytest.param(sparse((63, 64), 0.01), id="small"),
        pytest.param(RNG.normal(size=(64, 64)).astype(np.float32), id="dense"),
    ],
)
def test_a_table_that_would_not_shrink_stays(table):
    model = times(table)
    changed = after(slimming.sparse_tables, model)
    assert changed.SerializeToString() == model.SerializeToString()


def test_a_whole_number_table_stays():
    table = np.zeros((64, 64), dtype=np.float64)
    nodes = [helper.make_node("Cast", ["table"], ["cast"], to=1), helper.make_node("MatMul", ["cast", "x"], ["y"])]
    model = graph_of(nodes, {"table": table}, [64, 3], [64, 3])
    assert after(slimming.sparse_tables, model).SerializeToString() == model.SerializeToString()


def windowed(window: np.ndarray) -> onnx.ModelProto:
    shape = [2, len(window)]
    return graph_of([helper.make_node("Mul", ["x", "window"], ["y"])], {"window": window}, shape, shape)


@pytest.mark.parametrize("n", [256, 2048, 4096])
def test_hann_windows_are_made_by_their_operator(n):
    model = windowed(np.hanning(n + 1)[:-1].astype(np.float32))
    changed = after(slimming.hann_windows, model)
    assert operators(changed) == {"HannWindow": 1, "Mul": 1}
    assert changed.ByteSize() < model.ByteSize() - 3 * n
    assert same(model, changed, RNG.normal(size=(2, n)).astype(np.float32), tolerance=4e-6)


@pytest.mark.parametrize(
    "window",
    [
        pytest.param(np.hanning(1024), id="symmetric"),
        pytest.param(np.hamming(1025)[:-1], id="hamming"),
        pytest.param(np.hanning(129)[:-1], id="short"),
        pytest.param(0.5 * np.hanning(1025)[:-1], id="scaled"),
    ],
)
def test_another_window_stays(window):
    model = windowed(window.astype(np.float32))
    assert after(slimming.hann_windows, model).SerializeToString() == model.SerializeToString()


# ---- constants and names ----


def sums() -> onnx.ModelProto:
    """x + a + b + c + d, where b equals a, c has another shape, d another sign of zero."""
    a = np.array([1, 0, 3], dtype=np.float32)
    constants = {"a": a, "b": a, "c": a[None], "d": np.array([1, -0.0, 3], dtype=np.float32), "idle": np.arange(900.0)}
    names = ["x", "xa", "xab", "xabc", "y"]
    nodes = [helper.make_node("Add", [names[i], key], [names[i + 1]]) for i, key in enumerate("abcd")]
    return graph_of(nodes, constants, [1, 3], [1, 3])


def test_equal_constants_are_kept_once_and_idle_ones_go():
    model = sums()
    changed = after(slimming.merge_constants, model)
    assert sorted(constants_of(changed)) == ["a", "c", "d"]
    assert changed.ByteSize() < model.ByteSize() - 7_200
    assert same(model, changed, RNG.normal(size=(1, 3)).astype(np.float32))


def test_constants_of_equal_bytes_and_other_types_are_apart():
    nodes = [
        helper.make_node("Cast", ["whole"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "cast"], ["sum"]),
        helper.make_node("Add", ["sum", "zero"], ["y"]),
    ]
    model = graph_of(nodes, {"whole": np.zeros(2, np.int32), "zero": np.zeros(2, np.float32)}, [2], [2])
    assert len(constants_of(after(slimming.merge_constants, model))) == 2


def wordy() -> onnx.ModelProto:
    model = sums()
    model.doc_string = model.graph.doc_string = "a story"
    model.producer_name, model.producer_version = "exporter", "1.2.3"
    model.metadata_props.add(key="trace", value="x" * 500)
    model.graph.metadata_props.add(key="trace", value="x" * 500)
    model.graph.value_info.append(helper.make_tensor_value_info("xa", TensorProto.FLOAT, [1, 3]))
    for node in model.graph.node:
        node.name, node.doc_string = f"a/very/long/name/{node.output[0]}", "where it was written"
        node.metadata_props.add(key="stack", value="x" * 500)
    for item in model.graph.initializer:
        item.doc_string = "weights"
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = "people read this"
    return model


def test_strip_leaves_what_computes_and_the_public_names():
    model = wordy()
    changed = after(slimming.strip, model)
    data = changed.SerializeToString()
    for word in (b"story", b"trace", b"stack", b"name", b"written", b"weights", b"people", b"exporter", b"1.2.3"):
        assert word not in data, word
    assert len(data) < len(model.SerializeToString()) - 3_000
    assert [value.name for value in changed.graph.input] == ["x"]
    assert [value.name for value in changed.graph.output] == ["y"]
    names = {name for node in changed.graph.node for name in (*node.input, *node.output)} - {"x", "y"}
    assert max(map(len, names)) == 1
    assert changed.producer_name == "tinyscene"
    assert same(model, changed, RNG.normal(size=(1, 3)).astype(np.float32))


def test_strip_keeps_an_input_that_is_left_out():
    """An empty name stands for an optional input that is not given."""
    constants = {"least": np.float32(-1), "most": np.float32(1)}
    model = graph_of([helper.make_node("Clip", ["x", "", "most"], ["y"])], constants, [1, 3], [1, 3])
    changed = after(slimming.strip, model)
    assert changed.graph.node[0].input[1] == ""
    assert same(model, changed, np.array([[-5, 0, 5]], dtype=np.float32))


def test_many_names_stay_apart():
    nodes = [helper.make_node("Neg", ["x" if i == 0 else f"v{i}"], [f"v{i + 1}"]) for i in range(1400)]
    nodes.append(helper.make_node("Neg", ["v1400"], ["y"]))
    model = graph_of(nodes, {}, [1, 2], [1, 2])
    changed = after(slimming.strip, model)
    outputs = [node.output[0] for node in changed.graph.node]
    assert len(set(outputs)) == len(nodes)
    assert max(map(len, outputs)) == 3
    x = np.array([[1, -2]], dtype=np.float32)
    assert np.array_equal(answers(changed, x), -x)


@pytest.mark.parametrize("make", [quantised_layer, wordy])
def test_all_passes_together_change_no_answer(make):
    model = make()
    x = X if make is quantised_layer else RNG.normal(size=(1, 3)).astype(np.float32)
    slimmed = slimming.slim(copy.deepcopy(model))
    assert slimmed.ByteSize() < model.ByteSize()
    assert same(model, slimmed, x)
