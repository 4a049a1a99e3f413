"""Counts of LiteRT files: held to sums by hand, and to the ONNX counter on the same network."""

from __future__ import annotations

import random
import struct
import sys
import time
from functools import cache
from typing import Any

import numpy as np
import pytest

from tinyscene.errors import MissingExtraError, ModelError
from tinyscene.evaluate.complexity_litert import count_litert
from tinyscene.runtime.litert_graph import read_litert

schema = pytest.importorskip(
    "ai_edge_litert.schema_py_generated", reason="ai_edge_litert is not here: pip install '.[tflite]'"
)


def table(shape: tuple[int, ...], kind: str = "i1", name: str = "") -> tuple[Any, ...]:
    filled = np.arange(1, np.prod(shape) + 1).reshape(shape) % 100 + 1
    return shape, kind, filled.astype(kind), name


def made(
    tensors: list[Any], operators: list[tuple[Any, ...]], ends: tuple[int, int], change: Any = lambda model: None
) -> bytes:
    """A file; `tensors`: a map's shape or a `table` each; `operators`: kind, inputs, outputs, options."""
    import flatbuffers

    types = {"i1": schema.TensorType.INT8, "<i4": schema.TensorType.INT32, "<f4": schema.TensorType.FLOAT32}
    model, network = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers = 3, [schema.BufferT()]
    network.tensors, network.operators, model.operatorCodes = [], [], []
    for number, given in enumerate(tensors):
        shape, kind, content, name = given if isinstance(given[0], tuple) else (given, "i1", None, "")
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name = list(shape), types[kind], name or f"t{number}"
        tensor.buffer = 0
        if content is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(content.tobytes(), np.uint8)
            model.buffers.append(buffer)
            tensor.buffer = len(model.buffers) - 1
        network.tensors.append(tensor)
    for kind, inputs, outputs, *options in operators:
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        model.operatorCodes.append(code)
        operator.opcodeIndex, operator.inputs, operator.outputs = len(model.operatorCodes) - 1, inputs, outputs
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options[0]).__name__[:-1])
            operator.builtinOptions = options[0]
        network.operators.append(operator)
    network.inputs, network.outputs = [ends[0]], [ends[1]]
    model.subgraphs = [network]
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def window_of(height: int, width: int) -> Any:
    options = schema.Pool2DOptionsT()
    options.filterHeight, options.filterWidth, options.strideH, options.strideW = height, width, height, width
    return options


def small(change: Any = lambda model: None) -> bytes:
    """A convolution, a depthwise one, a pooling, an addition, a mean, a linear layer: int8."""
    tensors = [
        (1, 8, 6, 2),  # 0 features
        table((4, 3, 3, 2)),  # 1
        table((4,), "<i4"),  # 2
        (1, 8, 6, 4),  # 3
        table((1, 3, 3, 4)),  # 4
        table((4,), "<i4", "other"),  # 5: the same content in a buffer of its own
        (1, 8, 6, 4),  # 6
        (1, 8, 6, 4),  # 7: 3 + 6
        (1, 4, 3, 4),  # 8: pooled
        table((2,), "<i4", "axes"),  # 9
        (1, 4),  # 10
        table((10, 4)),  # 11
        (1, 10),  # 12
    ]
    operators = [
        ("CONV_2D", [0, 1, 2], [3]),
        ("DEPTHWISE_CONV_2D", [3, 4, 5], [6]),
        ("ADD", [3, 6], [7]),
        ("MAX_POOL_2D", [7], [8], window_of(2, 2)),
        ("MEAN", [8, 9], [10]),
        ("FULLY_CONNECTED", [10, 11, -1], [12]),
    ]
    return made(tensors, operators, (0, 12), change)


def test_counts_are_the_sums_by_hand():
    counts = count_litert(small(), 0.5)
    assert counts["parameters"] == counts["parameters_nonzero"] == 72 + 4 + 36 + 4 + 40
    assert counts["bytes_by_type"] == {"int8": 72 + 36 + 40, "int32": 4 * 8}
    assert counts["macs"] == (72 + 4) * 48 + (36 + 4) * 48 + 40
    assert counts["macs_per_s"] == 2 * counts["macs"]
    assert counts["macs_true"] == 72 * 48 + 36 * 48 + 40
    assert counts["macs_tflite"] == 72 * 48 + 36 * 48 + 192 + 48 * 4 + 48 + 40
    # The depthwise convolution's output beside its input, which the addition needs too and then writes over.
    assert counts["peak_activation_bytes"] == 192 + 192
    assert [row["name"] for row in counts["layers"]][:2] == ["conv_2d-0", "depthwise_conv_2d-1"]
    assert counts["layers"][0]["output"] == (8, 6, 4)


def test_a_linear_layer_behind_a_flattened_map_is_charged_its_channels_by_the_official_counter():
    # The 2022 baseline: 32 channels at 2 places make 64 numbers, the published figure charges 32 (facts of NeSsi).
    for turned in (False, True):
        shapes: list[Any] = [(1, 2, 1, 32), table((100, 64)), (1, 64), (1, 100), table((4,), "<i4"), (1, 32, 2, 1)]
        operators: list[tuple[Any, ...]] = [("RESHAPE", [5 if turned else 0], [2]), ("FULLY_CONNECTED", [2, 1], [3])]
        if turned:
            operators.insert(0, ("TRANSPOSE", [0, 4], [5]))
        counts = count_litert(made(shapes, operators, (0, 3)), 1.0)
        assert (counts["macs_tflite"], counts["macs_true"]) == (3200, 6400)


def test_products_of_maps_and_batch_norms_that_stand_alone():
    tensors = [
        (1, 5, 7),
        (1, 7, 3),
        (1, 5, 3),
        table((3,), "<f4"),
        (1, 5, 3),
        table((), "<f4"),
        (1, 5, 3),
        (1, 7, 5),
        (1, 5, 3),
    ]
    turned = schema.BatchMatMulOptionsT()
    turned.adjX = True
    operators = [
        ("BATCH_MATMUL", [0, 1], [2]),
        ("MUL", [2, 3], [4]),
        ("ADD", [4, 5], [6]),
        ("TRANSPOSE", [0], [7]),
        ("BATCH_MATMUL", [7, 1], [8], turned),
    ]

    def both(model: Any) -> None:
        model.subgraphs[0].inputs = [0, 1]

    counts = count_litert(made(tensors, operators, (0, 8), both), 1.0)
    assert (counts["parameters"], counts["macs_true"], counts["bytes"]) == (3, 2 * 5 * 3 * 7, 12)
    assert counts["macs_tflite"] == 0  # a sum with one number is none of two maps


@cache
def exported() -> tuple[bytes, dict[str, Any]]:
    """A network with everything the official rule charges, as .tflite, and the ONNX counter's counts of it."""
    litert_torch = pytest.importorskip("litert_torch", reason="litert_torch is not here: pip install '.[tflite]'")
    import torch
    from torch import nn

    from tinyscene.evaluate import count_onnx
    from tinyscene.export import Deployed, slim, traced
    from tinyscene.runtime.quiet import quiet

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.deep = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.pool, self.hidden, self.out = nn.MaxPool2d(2), nn.Linear(8 * 24, 12), nn.Linear(12, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.first(x))
            x = self.pool(x + torch.relu(self.deep(x)))
            return self.out(torch.relu(self.hidden(x.flatten(1))))

    torch.manual_seed(0)
    network, x = Two().eval(), torch.randn(2, 1, 8, 12)
    with quiet():
        made = litert_torch.convert(network, (x[:1],)).model_content()
        onnx = slim(traced(Deployed(network, nn.Softmax(1)).eval(), x, "features")).SerializeToString()
    return bytes(made), count_onnx(onnx, 1.0)


def test_counts_are_those_of_the_onnx_file_of_the_same_network():
    data, expected = exported()
    counts = count_litert(data, 1.0)
    for key in ("parameters", "bytes", "macs", "macs_true", "macs_tflite"):
        assert counts[key] == expected[key], key
    assert expected["macs_tflite"] < expected["macs_true"]  # a flattened map is charged its channels


# ---- files that were made or damaged to break it ----


def shaped(sizes: list[int]) -> Any:
    def change(model: Any) -> None:
        model.subgraphs[0].tensors[3].shape = sizes

    return change


def with_input(number: int) -> Any:
    def change(model: Any) -> None:
        model.subgraphs[0].operators[1].inputs[0] = number

    return change


def own(model: Any) -> None:
    model.operatorCodes[0].builtinCode, model.operatorCodes[0].customCode = schema.BuiltinOperator.CUSTOM, "Run\nMe"
    model.operatorCodes[0].deprecatedBuiltinCode = 32


def outside(model: Any) -> None:
    group, buffer = schema.ExternalBufferGroupT(), schema.ExternalBufferT()
    group.name = "/etc/passwd"
    model.externalBufferGroups, model.externalBuffers = [group], [buffer]


def twice(model: Any) -> None:
    model.subgraphs = model.subgraphs * 2


def widened(model: Any) -> None:
    model.subgraphs[0].tensors[1].shape = [4, 3, 3, 3]


def cut_off(model: Any) -> None:
    model.subgraphs[0].operators[0].inputs = [0]


def looped(model: Any) -> None:
    model.operatorCodes[2].builtinCode = model.operatorCodes[2].deprecatedBuiltinCode = schema.BuiltinOperator.WHILE


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (shaped([1, 1 << 30, 1 << 30, 4]), "says it is 1 x 1073741824 x 1073741824 x 4"),
        (shaped([1, -8, 6, 4]), "says it is 1 x -8 x 6 x 4"),
        (shaped([1] * 500), "more than any map"),
        (with_input(12), "reads tensor 12, which nothing before it makes"),
        (with_input(99), "names tensor 99; it has 13"),
        (own, r"not LiteRT's own: Run\?Me"),
        (outside, "lie in other files, which are not read"),
        (twice, "it holds 2 networks"),
        (widened, "is 4 x 3 x 3 x 3 of INT8 and holds 72 bytes"),
        (cut_off, "an input too few"),
        (looped, "not counted: WHILE"),
    ],
)
def test_what_cannot_be_counted_is_told(change, told):
    with pytest.raises(ModelError, match=told) as caught:
        count_litert(small(change), 1.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"TFL3", b"\0" * 4 + b"TFL3", b"\0" * 4 + b"TFL3" + b"\xff" * 64, b"\x08" * 4096]
)
def test_no_file_at_all(data):
    with pytest.raises(ModelError):
        count_litert(data, 1.0)


def test_a_list_that_says_it_is_longer_than_the_file():
    data = bytearray(small())
    model = schema.Model.GetRootAs(data, 0)
    table = model.Subgraphs(0)._tab
    at = table.Vector(table.Offset(4)) - 4
    assert struct.unpack_from("<I", data, at) == (13,)
    struct.pack_into("<I", data, at, 0xFFFFFFF0)
    with pytest.raises(ModelError, match=r"a list of 4,294,967,280 entries has no room in it"):
        read_litert(bytes(data))


def test_no_damaged_file_is_anything_but_counted_or_refused():
    chance, told, began = random.Random(0), [], time.process_time()
    whole = small()
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(8, len(data)) :]
        try:
            count_litert(bytes(data), 1.0)
        except ModelError as error:
            told.append(str(error))
    assert 150 < len(told) < 1450
    assert not any("\n" in line for line in told)
    assert time.process_time() - began < 20


def test_without_the_library_it_says_which_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(MissingExtraError, match=r"reading a .tflite file needs .*pip install '\.\[tflite\]'"):
        count_litert(small(), 1.0)
