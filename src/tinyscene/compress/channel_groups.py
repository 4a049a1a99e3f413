"""Which channels of a network depend on each other, so that they can only go together (torch-pruning)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError, missing_extra
from ..nn import CBAM, ECA, FoldedMixupNorm, MFMConv, MFMLinear, MixupNorm
from .folding import ChannelAffine

Slices = dict[tuple[str, str], list[int]]  # (layer, "outputs" or "inputs") -> which of them

AFFINE = (MixupNorm, FoldedMixupNorm, ChannelAffine)  # a few numbers for each channel, like a batch norm
NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
ACROSS = (ECA, CBAM)  # each channel's answer depends on the others that are there


def channel_groups(network: nn.Module, example: Tensor) -> list[list[Slices]]:
    """Groups of interchangeable channels; each entry of a group is one smallest set of slices that go together.

    A group that reaches the network's outputs, or a layer of a kind that is not known here, is left out.

    Raises:
        ModelError: a network whose channels torch-pruning cannot follow.
        MissingExtraError: torch-pruning is not installed.
    """
    try:
        from torch_pruning import DependencyGraph, ops
    except ModuleNotFoundError as error:
        raise missing_extra("pruning of channels", "train", error.name) from None
    skeleton = _skeleton(network, example)
    graph = DependencyGraph()
    with torch.enable_grad():
        try:
            graph.build_dependency(skeleton, (example,), output_transform=_last, verbose=False)
        except (RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError) as error:
            raise ModelError(
                f"{type(network).__name__} cannot be cut: torch-pruning does not follow its channels "
                f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no word'})."
            ) from None
    _part_broadcasts(graph)
    names = {module: name for name, module in skeleton.named_modules()}
    fixed = _fixed(network)
    groups = []
    for whole in graph.get_all_groups(root_module_types=[*CONVS, nn.Linear]):
        if any(isinstance(dep.target.module, ops._OutputOp) for dep, _ in whole):
            continue
        root, way = whole[0].dep.target.module, whole[0].dep.handler
        sets, done = list[Slices](), set[int]()
        for channel in whole[0].idxs:
            if channel not in done:
                slices = _slices(graph.get_pruning_group(root, way, [channel]), graph, names, network)
                done.update([channel], slices.get((names[root], "outputs"), []))
                sets.append(slices)
        if len(sets) > 1 and not any(layer in fixed for slices in sets for layer, _ in slices):
            groups.append(sets)
    return groups


def _slices(group: Any, graph: Any, names: dict[nn.Module, str], network: nn.Module) -> Slices:
    """What a group of torch-pruning takes of each layer, in the layer's own numbering."""
    found: dict[tuple[str, str], set[int]] = {}
    for dep, index in group:
        name = names.get(dep.target.module) if isinstance(dep.target.module, nn.Module) else "?"
        shared = isinstance(dep.target.module, nn.PReLU) and dep.target.module.num_parameters == 1
        if name is None or shared:  # an operation without weights, or one weight for all channels
            continue
        outputs = name == "?" or graph.is_out_channel_pruning_fn(dep.handler)
        gone = found.setdefault((name, "outputs" if outputs else "inputs"), set())
        gone.update(index)
        layer = network.get_submodule(name) if name != "?" else None
        if outputs and isinstance(layer, (MFMConv, MFMLinear)):
            gone.update(i + len(layer.weight) // 2 for i in index)
    return {key: sorted(gone) for key, gone in found.items()}


def _fixed(network: nn.Module) -> set[str]:
    """Layers that cannot be cut: those of other kinds, those that share a weight, groups of more than one output."""
    owners: dict[int, list[str]] = {}
    fixed = {"?"}  # a weight outside a layer
    for name, module in network.named_modules():
        known = isinstance(module, (*CONVS, nn.Linear, *NORMS, nn.PReLU, *AFFINE, *ACROSS))
        if not known or (isinstance(module, CONVS) and module.groups not in (1, module.out_channels)):
            fixed.add(name)
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(name)
    return fixed.union(*(layers for layers in owners.values() if len(layers) > 1))


# ---- what is traced: the network with layers in its place whose channels torch-pruning follows ----


class _ChannelAttention(nn.BatchNorm2d):
    """CBAM without the attention to places, whose two maps are of no channel."""

    def __init__(self, block: CBAM):
        super().__init__(block.channel[0].in_features)  # type: ignore[arg-type]
        self.channel = block.channel

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input * torch.sigmoid(self.channel(input.mean((2, 3))))[:, :, None, None])


def _skeleton(network: nn.Module, example: Tensor) -> nn.Module:
    widths = _widths(network, example)
    skeleton = copy.deepcopy(network).eval().requires_grad_()
    for name, layer in list(skeleton.named_modules()):
        other: nn.Module | None = None
        if isinstance(layer, MFMConv):
            half = layer.out_channels // 2
            other = nn.Conv2d(layer.in_channels, half, layer.kernel_size, padding=layer.padding)  # type: ignore[arg-type]
        elif isinstance(layer, MFMLinear):
            other = nn.Linear(layer.in_features, layer.out_features // 2)
        elif isinstance(layer, CBAM):
            other = _ChannelAttention(layer)
        elif isinstance(layer, (ECA, *AFFINE)) and name in widths:
            other = nn.BatchNorm2d(widths[name])
        elif isinstance(layer, CONVS) and 1 < layer.groups == layer.out_channels < layer.in_channels:
            layer.register_forward_pre_hook(_sum_of_each_group(layer.in_channels // layer.groups))
            layer.weight = nn.Parameter(layer.weight[:, :1].detach())
            layer.in_channels = layer.out_channels
        if other is not None:
            skeleton.set_submodule(name, other.eval())
    return skeleton


def _sum_of_each_group(n_inputs: int) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
    """A grouped convolution as a depthwise one: the inputs of a group go with its output."""

    def summed(layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        parts = [inputs[0][:, i::n_inputs] for i in range(n_inputs)]
        return (sum(parts[1:], start=parts[0]),)

    return summed


@torch.no_grad()
def _widths(network: nn.Module, example: Tensor) -> dict[str, int]:
    """Channels that come to the blocks that work on any number of them."""
    widths = dict[str, int]()

    def noted(name: str) -> Callable[[nn.Module, tuple[Tensor]], None]:
        return lambda _, inputs: widths.update({name: inputs[0].shape[1]})

    blocks = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, (ECA, *AFFINE))]
    hooks = [layer.register_forward_pre_hook(noted(name)) for name, layer in blocks]
    try:
        network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return widths


def _last(output: Tensor) -> Tensor:
    """An operation behind the last layer, by which torch-pruning knows the output."""
    return output * 1


def _part_broadcasts(graph: Any) -> None:
    """One channel next to many is repeated for each of them: neither goes with the other."""
    sides = set[tuple[Any, Any]]()
    for module, node in graph.module2node.items():
        if isinstance(module, (*CONVS, nn.Linear, *NORMS)):
            pruner = graph.get_pruner_of_module(module)
            if pruner.get_out_channels(module) == 1:
                sides.add((node, pruner.prune_out_channels))
            if pruner.get_in_channels(module) == 1:
                sides.add((node, pruner.prune_in_channels))
    for node in graph.module2node.values():
        node.dependencies = [
            dep for dep in node.dependencies if not {(dep.source, dep.trigger), (dep.target, dep.handler)} & sides
        ]
