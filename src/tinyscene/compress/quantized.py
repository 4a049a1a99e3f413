"""The three forms of an int8 network: prepared (fake-quantised, trains), simulated (same, frozen), converted (exported)."""

from __future__ import annotations

import copy
from types import MethodType

import torch
import torchao.quantization.pt2e as pt2e
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_qat_pt2e

from .folding import fold
from .quantizer import WEIGHTED, IntegerQuantizer


def prepared(network: nn.Module, example: Tensor) -> GraphModule:
    """The network folded, traced on `example` (batch 2 or more) and fake-quantised; trains like any module.

    Its state_dict restores it exactly; the module itself cannot be pickled.
    """
    folded = fold(network).train()  # traced in training mode, so that dropout stays a node that can be switched
    batch = torch.export.Dim("batch", min=2, max=4096)
    traced = torch.export.export(folded, (example,), dynamic_shapes=({0: batch},)).module()
    assert isinstance(traced, GraphModule)
    return _switchable(prepare_qat_pt2e(traced, IntegerQuantizer()))


def freeze_observers(graph: nn.Module) -> None:
    """Keep every scale as it is from now on."""
    graph.apply(pt2e.disable_observer)


def converted(graph: GraphModule) -> GraphModule:
    """A copy with int8 weights and quantise / dequantise pairs, every bias on the int32 grid: what is exported."""
    copied = copy.deepcopy(graph)
    _set_mode(copied, False)
    freeze_observers(copied)
    result = _switchable(convert_pt2e(copied, fold_quantize=True))
    with torch.no_grad():
        _snap_biases(result)
    return result


def _switchable(graph: GraphModule) -> GraphModule:
    """Give a traced graph train() and eval(). torchao's own switch turns every dropout rate into 0.5 on the way."""

    def train(self: GraphModule, mode: bool = True) -> GraphModule:
        _set_mode(self, mode)
        return self

    def evaluate(self: GraphModule) -> GraphModule:
        return train(self, False)

    graph.train = MethodType(train, graph)  # type: ignore[method-assign]
    graph.eval = MethodType(evaluate, graph)  # type: ignore[method-assign]
    return graph


def _set_mode(graph: GraphModule, training: bool) -> None:
    """Dropout is the one operator that differs: batch norm has been folded away."""
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target == torch.ops.aten.dropout.default:
            node.update_arg(2, training)
    graph.recompile()
    for module in graph.modules():
        module.training = training


def _snap_biases(graph: GraphModule) -> None:
    """Round each float bias to input scale x weight scale: integer runtimes keep it as an int32 of that unit.

    Without this all runtimes differ from the simulation by the same amount, and more so the deeper the network.
    """
    for node in graph.graph.nodes:
        if node.op != "call_function" or node.target not in WEIGHTED or len(node.args) < 3 or node.args[2] is None:
            continue
        x, weight, bias = node.args[:3]
        if "dequantize" not in str(x.target) or "dequantize" not in str(weight.target):
            continue  # a layer that stayed float
        value = _value(graph, bias)
        step = (_value(graph, x.args[1]) * _value(graph, weight.args[1])).to(value.dtype)
        value.copy_(torch.round(value / step) * step)


def _value(graph: GraphModule, node: object) -> Tensor:
    if isinstance(node, Node):
        owner: object = graph
        for name in str(node.target).split("."):
            owner = getattr(owner, name)
        assert isinstance(owner, Tensor)
        return owner.data
    return torch.as_tensor(node)
