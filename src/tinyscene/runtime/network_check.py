"""What a network may be made of: operators on tensors that are in the file. Read from its bytes, before it is run.

No operator of a library, no loop or branch, no text, no chance, no data in another file: nothing of what is left can
run code, read a path or wait for ever. How much memory it may ask for is `session`'s to hold.
"""

from __future__ import annotations

import math

from .onnx_bytes import CutShort, NotOnnx, fields, number

MOST_NODES, MOST_TENSORS, MOST_AXES = 20_000, 20_000, 8

# What our exporter writes (tests/runtime/test_network_check.py), and what torch networks of other kinds become.
OPERATORS = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "ArgMax",
        "ArgMin",
        "AveragePool",
        "BatchNormalization",
        "Cast",
        "Ceil",
        "Celu",
        "Clip",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Conv",
        "ConvInteger",
        "ConvTranspose",
        "Cos",
        "CumSum",
        "DequantizeLinear",
        "Div",
        "Dropout",
        "DynamicQuantizeLinear",
        "Einsum",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Expand",
        "Flatten",
        "Floor",
        "GRU",
        "Gather",
        "GatherElements",
        "Gelu",
        "Gemm",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "Greater",
        "GreaterOrEqual",
        "GroupNormalization",
        "HannWindow",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "InstanceNormalization",
        "LSTM",
        "LayerNormalization",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "Log",
        "LogSoftmax",
        "LpNormalization",
        "LpPool",
        "MatMul",
        "MatMulInteger",
        "Max",
        "MaxPool",
        "Mean",
        "Min",
        "Mish",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "PRelu",
        "Pad",
        "Pow",
        "QLinearConv",
        "QLinearMatMul",
        "QuantizeLinear",
        "RNN",
        "Range",
        "Reciprocal",
        "ReduceL1",
        "ReduceL2",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "Relu",
        "Reshape",
        "Resize",
        "Round",
        "STFT",
        "ScatterElements",
        "Selu",
        "Shape",
        "Sigmoid",
        "Sign",
        "Sin",
        "Size",
        "Slice",
        "Softmax",
        "Softplus",
        "Softsign",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Sum",
        "Tanh",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)
_OPERATORS = frozenset(name.encode() for name in OPERATORS)
_DOMAINS = (b"", b"ai.onnx")
# Field numbers of onnx.proto3. A field that is not listed is refused: onnxruntime may know what this file does not.
_GRAPH, _NODE, _TENSOR, _OPERATOR, _DOMAIN, _ATTRIBUTE, _VALUE = 7, 1, 5, 4, 7, 5, 5
_MODEL_FIELDS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 14))
_GRAPH_FIELDS = frozenset((1, 2, 5, 10, 11, 12, 13, 14, 16))
_NODE_FIELDS = frozenset((1, 2, 3, 4, 5, 6, 7, 9))
_ATTRIBUTE_FIELDS = frozenset((1, 2, 3, 4, 5, 7, 8, 9, 13, 20))
_TENSOR_FIELDS = frozenset((1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 14, 16))
_DIMS, _DATA_TYPE, _TENSOR_NAME, _EXTERNAL, _LOCATION = 1, 2, 8, 13, 14
_NAME, _NODE_NAMES, _VALUES = 1, (1, 2, 3, 4, 7), (11, 12, 13)
_NAMES = "it holds names that are no ASCII"  # onnxruntime cannot tell of them what is wrong
_NUMBERS = frozenset((*range(1, 8), *range(9, 14)))  # data types: no text, no complex numbers


class Refused(Exception):
    """Why a network is not run, in words."""


def check_network(data: bytes) -> None:
    """Refused unless the ONNX file `data` is made of what is listed here; NotOnnx or CutShort if it is none."""
    try:
        for field, start, end in fields(data, 0, len(data)):
            if field not in _MODEL_FIELDS:
                raise _unknown("model", field)
            if field == _GRAPH:
                _check_graph(data, start, end)
    except EOFError:
        raise CutShort from None
    except ValueError:
        raise NotOnnx from None


def _check_graph(data: bytes, start: int, end: int) -> None:
    n_nodes = n_tensors = 0
    for field, a, b in fields(data, start, end):
        if field not in _GRAPH_FIELDS:
            raise _unknown("graph", field)
        if field == _NODE:
            n_nodes += 1
            _check_node(data, a, b)
        elif field == _TENSOR:
            n_tensors += 1
            _check_tensor(data, a, b)
        elif field in _VALUES and not all(data[c:d].isascii() for inner, c, d in fields(data, a, b) if inner == _NAME):
            raise Refused(_NAMES)
        if n_nodes > MOST_NODES or n_tensors > MOST_TENSORS:
            raise Refused(f"it has more than {MOST_NODES:,} operators or {MOST_TENSORS:,} tensors")


def _check_node(data: bytes, start: int, end: int) -> None:
    for field, a, b in fields(data, start, end):
        if field not in _NODE_FIELDS:
            raise _unknown("operator", field)
        if field in _NODE_NAMES and not data[a:b].isascii():
            raise Refused(_NAMES)
        if field == _OPERATOR and data[a:b] not in _OPERATORS:
            raise Refused(
                f"it holds the operator '{_told(data[a:b])}', none of the {len(OPERATORS)} that are taken "
                "(tinyscene.runtime.network_check.OPERATORS)"
            )
        if field == _DOMAIN and data[a:b] not in _DOMAINS:
            raise Refused(f"it holds an operator of '{_told(data[a:b])}'; only ONNX's own are run")
        if field == _ATTRIBUTE:
            for inner, c, d in fields(data, a, b):
                if inner not in _ATTRIBUTE_FIELDS:
                    raise _unknown("attribute", inner)
                if inner == _NAME and not data[c:d].isascii():
                    raise Refused(_NAMES)
                if inner == _VALUE:
                    _check_tensor(data, c, d)


def _check_tensor(data: bytes, start: int, end: int) -> None:
    dims: list[int] = []
    for field, a, b in fields(data, start, end):
        if field == _EXTERNAL or (field == _LOCATION and number(data, a, b)[0] != 0):
            raise Refused("its numbers lie in another file; a model file holds all of its own")
        if field not in _TENSOR_FIELDS:
            raise _unknown("tensor", field)
        if field == _TENSOR_NAME and not data[a:b].isascii():
            raise Refused(_NAMES)
        if field == _DATA_TYPE and number(data, a, b)[0] not in _NUMBERS:
            raise Refused(f"a tensor is of the type {number(data, a, b)[0]}; numbers are taken")
        if field == _DIMS:  # one number, or several packed together
            while a < b:
                size, a = number(data, a, b)
                dims.append(size)
    # Four bits are the smallest number there is, so a tensor is never larger than twice the bytes that it lies in.
    if len(dims) > MOST_AXES or math.prod(dims) > 2 * (end - start):
        raise Refused(f"a tensor of the shape {str(dims)[:60]} holds {end - start:,} bytes")


def _unknown(what: str, field: int) -> Refused:
    return Refused(f"its {what} has the field {field} of ONNX, which no model file needs")


def _told(name: bytes) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:40].decode("utf-8", "replace"))
