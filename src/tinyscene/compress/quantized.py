"""The three forms of an int8 network: prepared (fake-quantised, trains), simulated (same, frozen), converted (exported)."""

from __future__ import annotations

import copy

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
    graph = prepare_qat_pt2e(traced, IntegerQuantizer())
    pt2e.allow_exported_model_train_eval(graph)
    return graph


def freeze_observers(graph: nn.Module) -> None:
    """Keep every scale as it is from now on."""
    graph.apply(pt2e.disable_observer)


def converted(graph: GraphModule) -> GraphModule:
    """A copy with int8 weights and quantise / dequantise pairs, every bias on the int32 grid: what is exported."""
    copied = copy.deepcopy(graph)
    pt2e.move_exported_model_to_eval(copied)
    freeze_observers(copied)
    result = convert_pt2e(copied, fold_quantize=True)
    pt2e.allow_exported_model_train_eval(result)
    with torch.no_grad():
        _snap_biases(result)
    return result


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
