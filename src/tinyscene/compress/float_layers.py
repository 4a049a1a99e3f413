"""What of an int8 network stays float, by the names of its layers, and why: for people to read."""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import GraphModule, Node

from .quantized import float_operations

_STATISTICS = "normalises each clip by its own mean and variance, for which int8 runtimes have no operation"
_BESIDE = "stands between float layers: to round its values to int8 and back would only lose precision"
_WHY = {
    "instance_norm": _STATISTICS,
    "layer_norm": _STATISTICS,
    "group_norm": _STATISTICS,
    "softmax": "its exponentials need more digits than int8 has; a few values a clip",
    "conv_transpose": "transposed convolutions are not among the operations that are quantised here",
    "lstm": "recurrent layers are not among the operations that are quantised here",
    "gru": "recurrent layers are not among the operations that are quantised here",
    "batch_norm": "a batch norm that could not be folded into a convolution",
}
_UNKNOWN = "int8 runtimes have no operation for it that is used here"


@dataclass(frozen=True)
class FloatLayer:
    """One layer of which something stays float."""

    layer: str  # path of the module, as in the float network: "encoder.0.1"
    operation: str  # its operations that stay float, in their order: "instance_norm, add"
    why: str


def float_layers(graph: GraphModule) -> list[FloatLayer]:
    """The layers of a converted graph that take or give a float value; none, if all of it is integer."""
    names = set(float_operations(graph))
    found: dict[str, list[Node]] = {}
    for node in graph.graph.nodes:
        if node.name in names:
            found.setdefault(_layer(node), []).append(node)
    return [FloatLayer(layer, ", ".join(_operations(nodes)), _why(nodes)) for layer, nodes in found.items()]


def _layer(node: Node) -> str:
    """Path of the innermost module that the operation is of; "(network)" for one of the network's own forward."""
    stack = node.meta.get("nn_module_stack") or {}
    path = next((str(path) for path, _ in reversed(list(stack.values())) if path), "")
    return path.removeprefix("L['self'].") or "(network)"


def _operations(nodes: list[Node]) -> list[str]:
    return [str(node.target).removeprefix("aten.").split(".")[0].removesuffix("_") for node in nodes]


def _why(nodes: list[Node]) -> str:
    names = _operations(nodes)
    for part, why in _WHY.items():
        if any(part in name for name in names):
            return why
    return _UNKNOWN
