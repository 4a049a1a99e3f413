"""A network without some of its channels, and the proof that it is the same network with those channels silenced."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..nn import CBAM, ECA
from .channel_groups import CONVS, NORMS

Cut = dict[str, dict[str, list[int]]]  # layer -> "outputs" and "inputs" that go, 0 being the first


def without(network: nn.Module, cut: Mapping[str, Mapping[str, list[int]]]) -> nn.Module:
    """A copy of `network` whose layers have lost what `cut` names.

    Raises:
        ModelError: a cut that is not this network's.
    """
    smaller = copy.deepcopy(network)
    for name, (layer, gone) in _layers(smaller, cut).items():
        for table, key, axis, index in _tables(layer, gone, name):
            tensor = table[key]
            stays = torch.ones(tensor.shape[axis], dtype=torch.bool).index_fill(0, index, False).nonzero().flatten()
            kept = tensor.detach().index_select(axis, stays.to(tensor.device))
            table[key] = nn.Parameter(kept, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else kept
        _count(layer, len(gone.get("outputs", ())))
    return smaller


@torch.no_grad()
def silenced(network: nn.Module, cut: Cut, smaller: nn.Module) -> nn.Module:
    """A copy of `network` of the same size with zeros in place of what `cut` names.

    Attention across channels is that of `smaller`, on the channels that stay: it would hear the silence.
    """
    whole = copy.deepcopy(network)
    for name, (layer, gone) in _layers(whole, cut).items():
        for table, key, axis, index in _tables(layer, gone, name):
            table[key].index_fill_(axis, index, 0)
        if isinstance(layer, (ECA, CBAM)):
            whole.set_submodule(name, _OfThoseThatStay(smaller.get_submodule(name), gone["outputs"]))
    return whole


@torch.no_grad()
def difference(network: nn.Module, cut: Cut, example: Tensor) -> float:
    """The largest difference of any output, in float64, between `network` cut and silenced.

    Raises:
        ModelError: the cut network does not run, or gives other outputs than the whole.
    """
    exact, example = copy.deepcopy(network).double().eval(), example.double()
    try:
        smaller = without(exact, cut)
        answer, witness = smaller(example), silenced(exact, cut, smaller)(example)
    except (RuntimeError, IndexError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise ModelError(f"{told(network)} does not run with these channels cut: {first}") from None
    if answer.shape != witness.shape:
        raise ModelError(f"{told(network)} would lose outputs with these channels cut.")
    return float((answer - witness).abs().max())


def told(network: nn.Module) -> str:
    """The network's name for a sentence."""
    return type(network).__name__


def layer_channels(network: nn.Module, smaller: nn.Module, cut: Cut) -> dict[str, tuple[int, int]]:
    """Outputs before and after of each convolution and linear layer that loses some."""
    found = {}
    for name in cut:
        before, after = network.get_submodule(name), smaller.get_submodule(name)
        if isinstance(before, (*CONVS, nn.Linear)) and "outputs" in cut[name]:
            found[name] = (len(before.weight), len(after.weight))  # type: ignore[arg-type]
    return found


class _OfThoseThatStay(nn.Module):
    """A block that sees a part of the channels; the others come out as 0."""

    def __init__(self, block: nn.Module, gone: list[int]):
        super().__init__()
        self.block, self.gone = block, gone

    def forward(self, x: Tensor) -> Tensor:
        stays = [i for i in range(x.shape[1]) if i not in set(self.gone)]
        return torch.zeros_like(x).index_copy(1, torch.tensor(stays), self.block(x[:, stays]))


def _layers(
    network: nn.Module, cut: Mapping[str, Mapping[str, list[int]]]
) -> dict[str, tuple[nn.Module, Mapping[str, list[int]]]]:
    layers = dict(network.named_modules())
    missing = [name for name in cut if name not in layers]
    if missing:
        raise ModelError(f"{told(network)} has no layer '{missing[0]}', which the cut names: it is another network's.")
    return {name: (layers[name], gone) for name, gone in cut.items()}


def _tables(
    layer: nn.Module, gone: Mapping[str, list[int]], name: str
) -> Iterator[tuple[dict[str, Tensor], str, int, Tensor]]:
    """(the layer's tensors, name of one, axis, indices) of all that loses something."""
    tables: tuple[dict[str, Tensor], ...] = (layer._parameters, layer._buffers)  # type: ignore[assignment]
    axes = {"outputs": 0} if getattr(layer, "groups", 1) > 1 else {"outputs": 0, "inputs": 1}
    for side, axis in axes.items():
        for table in tables:
            for key, tensor in table.items():
                if tensor is None or tensor.dim() <= axis or not gone.get(side):
                    continue
                size, index = tensor.shape[axis], gone[side]
                if min(index) < 0 or max(index) >= size or len(set(index)) == size:
                    raise ModelError(
                        f"{name}.{key} has {size} {side}, and the cut names {len(index)}, up to number {max(index)}: "
                        "it is another network's."
                    )
                yield table, key, axis, torch.tensor(index, device=tensor.device)


def _count(layer: nn.Module, n_gone: int) -> None:
    """The numbers that the layer itself keeps of its channels."""
    if isinstance(layer, CONVS):
        layer.groups = len(layer.weight) if layer.groups > 1 else 1
        layer.out_channels, layer.in_channels = len(layer.weight), layer.weight.shape[1] * layer.groups
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif isinstance(layer, NORMS):
        layer.num_features -= n_gone
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters = len(layer.weight)
