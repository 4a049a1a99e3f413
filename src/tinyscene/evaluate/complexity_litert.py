"""Counts of a LiteRT file (.tflite), float or int8, read from its graph, not from what it says of itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ModelError
from ..runtime.litert_graph import LitertGraph, LitertOperator, read_litert
from .activation_memory import Step, peak_bytes
from .complexity import Layer, totals

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_3D")
PRODUCTS = ("FULLY_CONNECTED", "BATCH_MATMUL")
AFFINE = ("MUL", "ADD", "SUB", "DIV")  # with a constant for each channel: a batch norm that follows no convolution
POOLS = ("MAX_POOL_2D", "AVERAGE_POOL_2D")
VIEWS = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
ELEMENTWISE = (
    *(*AFFINE, "RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "HARD_SWISH", "TANH", "LEAKY_RELU", "PRELU", "MAXIMUM"),
    *("MINIMUM", "SOFTMAX", "LOG_SOFTMAX", "EXP", "LOG", "SQRT", "RSQRT", "POW", "NEG", "GELU", "ELU", "SQUARE", "ABS"),
)
COUNTED = (*CONVOLUTIONS, *PRODUCTS, *AFFINE, *POOLS, "MEAN", "PRELU")
# Constants in these are sizes, places, axes and regions; none makes products.
PLAIN = (
    *(*VIEWS, *ELEMENTWISE, "TRANSPOSE", "QUANTIZE", "DEQUANTIZE", "CAST", "SLICE", "STRIDED_SLICE", "CONCATENATION"),
    *("PAD", "PADV2", "MIRROR_PAD", "SPLIT", "SPLIT_V", "PACK", "UNPACK", "REDUCE_MAX", "REDUCE_MIN", "SUM", "TILE"),
    *("BROADCAST_TO", "SQUARED_DIFFERENCE", "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR", "GATHER", "SHAPE", "FLOOR"),
    *("ROUND", "SIGN", "SELECT_V2"),
)
TRY = "Count the network before it was exported, or export it with plain operators."


def count_litert(data: bytes, window_s: float) -> dict[str, Any]:
    """The counts of `complexity.MEANING` for a LiteRT file, which begins at features and ends at logits.

    Counted are the constants that layers read, at the bytes they are stored in; what one buffer holds for several
    layers counts once. Batch norms behind convolutions have been folded by the exporter; others are a product and a
    sum with a constant for each channel. Layers are named by their operator and number.

    Raises:
        ModelError: bytes that are no LiteRT file, or one with operators that are not counted.
        MissingExtraError: ai_edge_litert, whose schema reads the file, is not installed.
    """
    graph = read_litert(data)
    try:
        return _count(graph, window_s)
    except IndexError:  # an operator without an input that its kind has
        raise ModelError("it has an operator with an input too few: it is damaged. Copy it again.") from None


def _count(graph: LitertGraph, window_s: float) -> dict[str, Any]:
    strange = sorted({item.kind for item in graph.operators} - {*COUNTED, *PLAIN})
    if strange:
        raise ModelError(f"it has operators that are not counted: {', '.join(strange[:8])}. {TRY}")
    makers = {number: item for item in graph.operators for number in item.outputs}
    layers: list[Layer] = []
    seen: set[tuple[int, tuple[int, ...]]] = set()
    for operator in graph.operators:
        if operator.kind not in COUNTED or not operator.outputs or not operator.inputs:
            continue
        made = graph.tensors[operator.outputs[0]].shape
        layer = Layer(f"{operator.kind.lower()}-{len(layers)}", operator.kind, made[1:])
        layers.append(layer)
        constants = _constants(operator, graph)
        _work(layer, operator, constants, graph, makers)
        for table in constants:
            place = (table.__array_interface__["data"][0], table.shape)
            if place in seen:
                continue
            seen.add(place)
            filled = int(np.count_nonzero(table))
            layer.parameters += table.size
            layer.parameters_keras += table.size
            layer.parameters_nonzero += filled
            layer.store(str(table.dtype), table.itemsize, table.size, filled)
    return totals(layers, window_s, _peak(graph))


def _constants(operator: LitertOperator, graph: LitertGraph) -> list[np.ndarray]:
    """The tables that are a layer's own weights."""
    if operator.kind in POOLS or operator.kind == "MEAN":
        return []
    inputs = operator.inputs[1:] if operator.kind == "TRANSPOSE_CONV" else operator.inputs  # its first is a size
    found = [graph.tensors[number].table for number in inputs if number >= 0]
    tables = [table for table in found if table is not None and table.dtype.kind in "fiu"]
    if operator.kind in AFFINE:  # one number for all is a constant of the formula, not learnt
        tables = [table for table in tables if table.size > 1]
    return tables


def _work(
    layer: Layer,
    operator: LitertOperator,
    constants: list[np.ndarray],
    graph: LitertGraph,
    makers: dict[int, LitertOperator],
) -> None:
    """Multiply-accumulates of one operation by each rule, into `layer`."""
    kind, made = operator.kind, graph.tensors[operator.outputs[0]].shape
    taken = graph.tensors[operator.inputs[0]].shape
    size = sum(table.size for table in constants)
    if kind in CONVOLUTIONS:
        weight = graph.tensors[operator.inputs[1]].cells
        positions = math.prod(made[:-1])
        layer.macs = size * positions
        if kind == "TRANSPOSE_CONV":  # inputs: size, weights, map
            layer.macs_true = weight * math.prod(graph.tensors[operator.inputs[2]].shape[1:-1])
        else:
            layer.macs_true = layer.macs_tflite = weight * positions
    elif kind in PRODUCTS:
        inner = taken[-2 if operator.turned else -1]
        layer.macs, layer.macs_true = size, math.prod(made) * inner
        if constants:  # right behind a flattened map the official counter charges the channels alone
            layer.macs_tflite = (_flattened(operator.inputs[0], graph, makers) or inner) * made[-1]
    elif kind in POOLS:
        layer.macs_tflite = math.prod(made) * operator.window
    elif kind == "MEAN":
        layer.macs_tflite = math.prod(taken)
    else:
        layer.macs = size
        if kind == "ADD" and all(graph.tensors[number].table is None for number in operator.inputs):
            layer.macs_tflite = math.prod(made)


def _flattened(number: int, graph: LitertGraph, makers: dict[int, LitertOperator]) -> int:
    """Channels of the map of several cells that tensor `number` is in a row; 0 where it is none.

    LiteRT's maps end in their channels, until one is turned round to be flattened in the order of the training.
    """
    maker = makers.get(number)
    while maker is not None and maker.kind in VIEWS:
        number = maker.inputs[0]
        shape, maker = graph.tensors[number].shape, makers.get(number)
        if len(shape) == 4:
            channels = shape[1] if maker is not None and maker.kind == "TRANSPOSE" else shape[3]
            return channels if math.prod(shape[1:]) > channels else 0
    return 0


def _peak(graph: LitertGraph) -> int:
    """Peak activation memory of the maps, at the bytes of their number types; a view takes no room of its own."""
    whole = {number: number for number, tensor in enumerate(graph.tensors) if tensor.table is None}
    steps = []
    for operator in graph.operators:
        if operator.kind in VIEWS and operator.inputs[:1] and operator.inputs[0] in whole and operator.outputs:
            whole[operator.outputs[0]] = whole[operator.inputs[0]]
            continue
        reads = tuple(whole[number] for number in operator.inputs if number in whole)
        writes = tuple(number for number in operator.outputs if number in whole)
        steps.append(Step(reads, writes, operator.kind in ELEMENTWISE))
    size = {number: graph.tensors[number].bytes for number in whole}
    given = [number for number in graph.inputs if number in whole]
    return peak_bytes(steps, size, given, [whole[number] for number in graph.outputs if number in whole])
