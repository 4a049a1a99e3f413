"""Rewritten networks held to onnxruntime's own answers on the networks as they came."""

from __future__ import annotations

import time

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinyscene.errors import ModelError
from tinyscene.runtime import session
from tinyscene.runtime.network_check import check_network
from tinyscene.runtime.rewrite import rewritten
from tinyscene.runtime.session import Session

RNG = np.random.default_rng(0)
SHAPE = ("batch", 16, 12, 10)


def model(nodes, tensors, shape=SHAPE, outputs=("y",), raw=True) -> bytes:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *"chw"]) for name in outputs],
        [
            numpy_helper.from_array(np.asarray(array), name)
            if raw
            else helper.make_tensor(name, TensorProto.FLOAT, array.shape, array.ravel())
            for name, array in tensors.items()
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def answers(data: bytes, x: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return [np.asarray(answer) for answer in session.run(None, {"x": x})]


def operators(data: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(data).graph.node]


def groups(data: bytes) -> list[int]:
    graph = onnx.load_from_string(data).graph
    return [
        next((item.i for item in node.attribute if item.name == "group"), 1)
        for node in graph.node
        if node.op_type == "Conv"
    ]


def drawn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def same(data: bytes, tolerance: float = 0.0, shape=(3, 16, 12, 10)) -> bytes:
    """The rewritten model, which differs from `data`, passes the check again and answers the same."""
    new = rewritten(data)
    assert new != data
    onnx.checker.check_model(onnx.load_from_string(new))
    check_network(new)
    x = 3 * drawn(*shape)
    for one, other in zip(answers(data, x), answers(new, x), strict=True):
        np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance)
    return new


def quantised(scale: float = 2.0**-5, pool_zero: int = 0, cells=(1, 2), group: int = 8) -> bytes:
    """x -> int8 grouped convolution, Relu, mean: as our exporter writes them. Two convolutions share one weight."""
    weights = RNG.integers(-127, 128, (8, 16 // group, 3, 1)).astype(np.int8)
    tensors = {
        "w": weights,
        "ws": (0.002 + RNG.random(8) / 400).astype(np.float32),
        "wz": np.zeros(8, np.int8),
        "b": drawn(8),
        "s": np.float32(scale),
        "z": np.uint8(121),
        "rz": np.uint8(pool_zero),
        "s2": np.float32(scale / 2),
    }
    make = helper.make_node
    nodes = [
        make("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=0),
        make("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        make("DequantizeLinear", ["xq", "s", "z"], ["xf"]),
    ]
    for k in ("1", "2"):
        dilation = int(k)
        nodes += [
            make(
                "Conv",
                ["xf", "wf", "b"],
                ["c" + k],
                group=group,
                pads=[dilation, 0, dilation, 0],
                dilations=[dilation, 1],
            ),
            make("Relu", ["c" + k], ["r" + k]),
            make("QuantizeLinear", ["r" + k, "s", "rz"], ["q" + k]),
            make("DequantizeLinear", ["q" + k, "s", "rz"], ["d" + k]),
            make("AveragePool", ["d" + k], ["p" + k], kernel_shape=cells, strides=[1, 2], count_include_pad=1),
            make("QuantizeLinear", ["p" + k, "s2", "rz"], ["pq" + k]),
            make("DequantizeLinear", ["pq" + k, "s2", "rz"], ["y" + k]),
        ]
    return model(nodes, tensors, outputs=("y1", "y2"))


@pytest.mark.parametrize("zero", [0, 8])
@pytest.mark.parametrize("cells", [(1, 2), (2, 2), (4, 4)])
def test_int8_networks_answer_the_same_to_the_bit(zero, cells):
    new = same(quantised(pool_zero=zero, cells=cells))
    assert "AveragePool" not in operators(new)
    assert sorted(groups(new)) == [1, 1, 8, 8]  # two convolutions of all channels, two means


@pytest.mark.parametrize("settings", [{"scale": 0.03}, {"pool_zero": 7}, {"cells": (3, 3)}])
def test_integer_means_that_would_round_otherwise_stay(settings):
    new = same(quantised(**settings))
    assert operators(new).count("AveragePool") == 2
    assert groups(new) == [1, 1]


def test_weights_whose_zero_is_not_0_stay():
    data = onnx.load_from_string(quantised(scale=0.03))
    zero = next(item for item in data.graph.initializer if item.name == "wz")
    zero.CopyFrom(numpy_helper.from_array(np.arange(8, dtype=np.int8), "wz"))
    assert rewritten(data.SerializeToString()) == data.SerializeToString()


def grouped(biases=("b", "b2"), **more) -> bytes:
    """The sum of two grouped convolutions of one shared weight, one of which something else reads too."""
    settings = {"group": 8, "pads": [1, 1, 1, 1]} | more
    nodes = [
        helper.make_node("Conv", ["x", "w", *biases[:1]], ["c"], **settings),
        helper.make_node("Conv", ["x", "w", *biases[1:]], ["d"], **settings),
        helper.make_node("Add", ["c", "d"], ["y"]),
        helper.make_node("Relu", ["c"], ["z"]),
    ]
    tensors = {"w": drawn(8, 2, 3, 3)} | {name: drawn(8) for name in biases}
    return model(nodes, tensors, outputs=("y", "z"))


@pytest.mark.parametrize("biases", [(), ("b",), ("b", "b2")])
def test_grouped_convolutions_of_floats_answer_the_same(biases):
    new = same(grouped(biases), 2e-5)
    assert sorted(groups(new)) == [1, 1, 16, 16]  # each channel by itself, twice; the sum, and the first one's own


def test_weights_in_floats_are_read_as_those_in_bytes():
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], group=8, strides=[2, 1])]
    assert len(groups(same(model(nodes, {"w": drawn(8, 2, 1, 3)}, raw=False), 1e-5))) == 2


@pytest.mark.parametrize("width", [10, 11])
@pytest.mark.parametrize("settings", [{}, {"pads": [1, 1, 1, 1], "count_include_pad": 1}, {"strides": [1, 2]}])
def test_means_of_floats_answer_the_same(width, settings):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("AveragePool", ["c"], ["y"], kernel_shape=[2, 3], **settings),
    ]
    new = same(model(nodes, {"w": drawn(24, 16, 1, 1)}, ("batch", 16, 12, width)), 1e-6, (2, 16, 12, width))
    assert groups(new) == [1, 24]


def test_a_gate_of_few_channels_answers_the_same_to_the_bit():
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "w"], ["c"]),
        make("QuantizeLinear", ["c", "s", "z"], ["q"]),
        make("DequantizeLinear", ["q", "s", "z"], ["d"]),
        make("ReduceMean", ["c", "rows"], ["m"], keepdims=0),
        make("QuantizeLinear", ["m", "s", "z"], ["mq"]),
        make("Unsqueeze", ["mq", "rows"], ["g"]),
        make("DequantizeLinear", ["g", "s", "z"], ["gd"]),
        make("Mul", ["d", "gd"], ["p"]),
        make("QuantizeLinear", ["p", "s", "z"], ["pq"]),
        make("DequantizeLinear", ["pq", "s", "z"], ["y"]),
    ]
    tensors = {"w": drawn(12, 16, 1, 1), "s": np.float32(0.11), "z": np.uint8(100), "rows": np.array([2, 3])}
    assert "Expand" in operators(same(model(nodes, tensors)))


def test_what_is_not_known_stays():
    wide = [helper.make_node("Conv", ["x", "w"], ["y"], group=1)]
    padded = [helper.make_node("Conv", ["x", "w"], ["y"], group=8, auto_pad="SAME_UPPER")]
    inner = [helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2])]
    odd = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("AveragePool", ["c"], ["y"], kernel_shape=[2, 2], ceil_mode=1),
    ]
    ends = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("AveragePool", ["c"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    ]
    for nodes, shape in ((wide, (8, 16)), (padded, (8, 2)), (inner, (8, 16)), (odd, (24, 16)), (ends, (24, 16))):
        data = model(nodes, {"w": drawn(*shape, 2, 3)})
        assert rewritten(data) == data


def test_weights_that_are_given_when_it_runs_are_no_constants():
    data = onnx.load_from_string(grouped(()))
    data.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [8, 2, 3, 3]))
    assert rewritten(data.SerializeToString()) == data.SerializeToString()


@pytest.mark.parametrize("summed", [False, True])
def test_a_hostile_file_gets_no_more_than_its_room(summed):
    """One weight shared by thousands of convolutions or sums of two, each of which would want a copy of its own."""
    names = [f"y{i}" for i in range(1_000)]
    nodes = [helper.make_node("Conv", ["x", "w"], [name], group=128) for name in (("a", "b") if summed else names)]
    if summed:
        nodes += [helper.make_node("Add", ["a", "b"], [name]) for name in names]
    data = model(nodes, {"w": drawn(128, 2, 8, 8)}, ("batch", 256, 8, 8), names)
    start = time.perf_counter()
    assert len(data) < len(rewritten(data)) < len(data) + (5 << 20)
    assert time.perf_counter() - start < 2


def test_no_word_of_a_file_makes_it_slow_to_read():
    data = model([helper.make_node("Relu", ["x"], ["y"])], {"tinyscene" + "_" * 4_000_000 + "/": drawn(1)})
    start = time.perf_counter()
    assert rewritten(data) == data
    assert time.perf_counter() - start < 1


def test_what_would_hear_infinity_or_take_longer_stays():
    weights = {"w": RNG.integers(-9, 9, (8, 2, 1, 1)).astype(np.int8), "s": np.ones(8, np.float32)}
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["f"], axis=0),
        helper.make_node("Conv", ["x", "f"], ["y"], group=8),
    ]
    of_floats = model(nodes, weights | {"z": np.zeros(8, np.int8)})
    many = model(
        [helper.make_node("Conv", ["x", "w"], ["y"], group=256)], {"w": drawn(256, 2, 1, 1)}, ("batch", 512, 8, 8)
    )
    for data in (of_floats, many):
        assert rewritten(data) == data


@pytest.mark.parametrize("inputs", [["c"], ["c", "d", "c"]])
def test_sums_of_other_than_two_are_left_to_onnxruntime(inputs):
    data = onnx.load_from_string(grouped())
    next(node for node in data.graph.node if node.op_type == "Add").input[:] = inputs
    assert "Add" in operators(rewritten(data.SerializeToString()))


def test_damaged_bytes_give_no_other_errors():
    data = bytearray(quantised())
    for at in RNG.integers(0, len(data), 400):
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(RNG.integers(8))
        for part in (bytes(damaged), bytes(data[:at])):
            try:
                Session("it", part)
            except ModelError:
                continue


@pytest.mark.parametrize("size", [(2, 10), (12, 2), (4, 10)])
@pytest.mark.parametrize("settings", [{}, {"pads": [1, 0, 1, 0], "count_include_pad": 1}, {"strides": [2, 2]}])
def test_a_mean_of_more_cells_than_there_are_is_as_it_was(size, settings, monkeypatch):
    """Kernels larger than the padded map: onnxruntime's own answer, or else what it says of its own operator."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("AveragePool", ["c"], ["y"], kernel_shape=[5, 3], **settings),
    ]
    data = model(nodes, {"w": drawn(24, 16, 1, 1)}, ("batch", 16, "h", "w"))
    assert rewritten(data) != data
    ours = Session("it", data)
    monkeypatch.setattr(session, "rewritten", lambda data: data)
    plain = Session("it", data)

    def said(one: Session, x: np.ndarray) -> np.ndarray | str:
        try:
            return one.run("y", x=x)
        except ModelError as error:
            return str(error)

    for shape in (size, size, (9, 9)):
        x = drawn(2, 16, *shape)
        one, other = said(plain, x), said(ours, x)
        if isinstance(one, str) or isinstance(other, str):
            assert (other, type(other)) == (one, str)
        else:
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)


def test_memory_that_is_short_is_no_reason_to_go_back(monkeypatch):
    """The batch is made smaller then, and the fast network kept."""
    ours = Session("it", quantised())
    fast = ours._session

    class Full:
        def run(self, *_):
            raise RuntimeError("Available memory of 3 is smaller than requested bytes of 4")

    ours._session = Full()  # type: ignore[assignment]
    with pytest.raises(session.NoRoom):
        ours.run("y1", x=drawn(2, 16, 12, 10))
    ours._session = fast
    assert ours._as_it_came is not None


def test_a_session_opens_what_was_rewritten():
    data = quantised()
    x = drawn(2, 16, 12, 10)
    np.testing.assert_array_equal(Session("it", data).run("y1", x=x), answers(data, x)[0])
