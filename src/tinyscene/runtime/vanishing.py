"""Maps that a network leaves no size: onnxruntime ends the whole process over a Slice of one (1.31: an assertion).

It does so while it works out sizes before anything runs. In a file whose operators could take away more than there is,
with a Slice behind them, it is not told where slices begin until they do: then such a map is an error like others.
"""

from __future__ import annotations

import numpy as np

from .network_check import Refused
from .onnx_bytes import fields
from .onnx_graph import Graph, Node, bytes_field

_POOLS = ("AveragePool", "LpPool", "MaxPool")
_CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv")
_WEIGHTS = {"QLinearConv": 3}  # which input they are; 1 for others
# Their sizes are what their numbers say, which may be negative.
_OTHERS = (
    *("ConstantOfShape", "ConvTranspose", "Expand", "GRU", "HannWindow", "LSTM", "RNN", "Range", "Resize", "STFT"),
    *("Split", "Tile"),
)
_CHAIN = ("Cast", "DequantizeLinear", "Identity")  # between a constant and who reads it
_GRAPH, _INPUT, _NAME, _TYPE, _TENSOR, _KIND, _INT64 = 7, 11, 1, 2, 1, b"\x08", b"\x07"


def guarded(data: bytes) -> bytes:
    """The model file `data`; where maps may vanish, the beginnings of its slices are inputs that have a default.

    What is no graph of one part comes back as it is: onnxruntime tells what is wrong with it. Raises Refused for what
    cannot be kept from onnxruntime, or goes wrong in it where sizes are not known.
    """
    if b"Slice" not in data:
        return data
    try:
        graph = Graph(data)
    except (ValueError, EOFError):
        return data
    if not _may_vanish(graph):
        return data
    begins = {node.inputs[1] for node in graph.nodes if node.operator == "Slice" and len(node.inputs) > 1}
    if any(graph.constant(name) is None for name in begins):
        raise Refused("it slices, at places that it computes, what other operators may leave empty")
    if any(node.operator == "Resize" and not any(node.inputs[2:]) for node in graph.nodes):
        raise Refused("it resizes to no size")
    kind = bytes_field(_TYPE, bytes_field(_TENSOR, _KIND + _INT64))
    told = b"".join(bytes_field(_INPUT, bytes_field(_NAME, name.encode()) + kind) for name in sorted(begins))
    parts, end = list[bytes](), 0
    for field, a, b in fields(data, 0, len(data)):
        parts.append(bytes_field(_GRAPH, data[a:b] + told) if field == _GRAPH else data[end:b])
        end = b
    return b"".join(parts)


def _may_vanish(graph: Graph) -> bool:
    """Whether a Slice takes what comes of an operator that may leave nothing."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    unsure = set[str]()
    for node in graph.nodes:
        if node.operator == "Slice" and unsure.intersection(node.inputs):
            return True
        if unsure.intersection(node.inputs) or not _leaves_something(graph, node, makers):
            unsure.update(node.outputs)
    return False


def _leaves_something(graph: Graph, node: Node, makers: dict[str, Node]) -> bool:
    """Whether the output has a size wherever the input has one."""
    if node.operator == "Pad":
        pads = _constant_behind(graph, node, 1, makers)
        return pads is not None and bool((pads >= 0).all())
    if node.operator in _OTHERS:
        return False
    if node.operator not in (*_POOLS, *_CONVOLUTIONS):
        return True
    settings = graph.settings(node)
    if settings is None:
        return False
    kernel = settings.get("kernel_shape", ())
    if not kernel and node.operator in _CONVOLUTIONS:
        weights = _constant_behind(graph, node, _WEIGHTS.get(node.operator, 1), makers)
        kernel = () if weights is None else weights.shape[2:]
    n = len(kernel)
    strides, dilations = (settings.get(key, (1,) * n) for key in ("strides", "dilations"))
    pads = settings.get("pads", (0,) * 2 * n)
    if not n or (len(strides), len(dilations), len(pads)) != (n, n, 2 * n):
        return False
    return all(
        min(strides[i], dilations[i], kernel[i]) > 0
        and min(pads[i], pads[i + n]) >= 0
        and (kernel[i] - 1) * dilations[i] + 1 <= pads[i] + pads[i + n] + strides[i]
        for i in range(n)
    )


def _constant_behind(graph: Graph, node: Node, i: int, makers: dict[str, Node]) -> np.ndarray | None:
    """The constant that input `i` is, or is made of without another shape."""
    name = node.inputs[i] if i < len(node.inputs) else ""
    for _ in _CHAIN:
        maker = makers.get(name)
        if maker is None or maker.operator not in _CHAIN or not maker.inputs:
            break
        name = maker.inputs[0]
    return None if name in makers else graph.constant(name)
