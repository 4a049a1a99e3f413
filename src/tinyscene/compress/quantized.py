"""An int8 network's three forms: prepared (fake-quantised, trains), settled (the same, final), converted (exported)."""

from __future__ import annotations

import copy
import warnings
from types import MethodType

import torch
import torchao.quantization.pt2e as pt2e
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import FakeQuantizeBase
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_qat_pt2e

from .folding import fold
from .quantizer import CLIPPED, PARTING, SUMS, WEIGHTED, IntegerQuantizer, is_activation, know_neighbours


def prepared(network: nn.Module, example: Tensor) -> GraphModule:
    """The network folded, traced on `example` (batch 2 or more) and fake-quantised; trains like any module.

    Its state_dict restores it exactly; the module itself cannot be pickled.
    """
    folded = fold(network).train()  # traced in training mode, so that dropout stays a node that can be switched
    batch = torch.export.Dim("batch", min=2, max=4096)
    traced = torch.export.export(folded, (example,), dynamic_shapes=({0: batch},)).module()
    assert isinstance(traced, GraphModule)
    graph = prepare_qat_pt2e(traced, IntegerQuantizer())
    know_neighbours(graph)
    return _switchable(graph)


def freeze_observers(graph: nn.Module) -> None:
    """Keep every scale as it is from now on."""
    graph.apply(pt2e.disable_observer)


def settle(graph: GraphModule) -> None:
    """After training: scales stay, biases are rounded to the int32 grid; answers are now those of the device.

    The grid of a layer's bias is input scale x weight scale: integer runtimes add it to sums of that unit. Left
    unrounded, every runtime would differ from the simulation, and more so the deeper the network.
    """
    freeze_observers(graph)
    for node in graph.graph.nodes:
        if node.op != "call_function" or node.target not in WEIGHTED or len(node.args) < 3 or node.args[2] is None:
            continue
        x, weight = (_scale(graph, arg) for arg in node.args[:2])
        if x is not None and weight is not None:
            bias, step = graph.get_parameter(node.args[2].target).data, x * weight
            bias.copy_(torch.round(bias / step) * step)


def converted(graph: GraphModule) -> GraphModule:
    """A copy, settled, with int8 weights and quantise / dequantise pairs: what is exported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own copying of its own trees
        copied = copy.deepcopy(graph)
    _set_mode(copied, False)
    settle(copied)
    return _switchable(convert_pt2e(copied, fold_quantize=True))


def float_operations(graph: GraphModule) -> list[str]:
    """Names of the operations of a converted graph that take or give a float value; none, if all of it is integer."""
    found = []
    for node in graph.graph.nodes:
        if node.op != "call_function" or "quantize" in str(node.target) or not is_activation(node):
            continue
        values = node.all_input_nodes[: 2 if node.target in WEIGHTED else None]  # behind them a bias, for the sums
        values = [value.all_input_nodes[0] if value.target in PARTING else value for value in values]
        taken = all("dequantize" in str(value.target) or _is_one_operation(value, node) for value in values)
        given = all("quantize" in str(user.target) or _is_one_operation(node, user) for user in node.users)
        if not (taken and given):
            found.append(node.name)
    return found


def _is_one_operation(source: Node, clip: Node) -> bool:
    return clip.target in CLIPPED and source.target in SUMS and len(source.users) == 1


def _scale(graph: GraphModule, node: Node) -> Tensor | None:
    """What one step of a fake-quantised value stands for; None for one that stays float."""
    module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
    return module.get_buffer("scale") if isinstance(module, FakeQuantizeBase) else None


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
