"""Whole channels cut out of a float network, until it has as few parameters or MACs as are wanted."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import ModelError, SettingError, within
from ..evaluate import count_complexity
from .channel_groups import Slices, channel_groups
from .cutting import Cut, difference, layer_channels, told, without

MOST = 0.95  # of the channels of any layer
ROUNDING = 1e-9  # of the outputs, in float64

Group = list[Slices]


@dataclass(frozen=True)
class CutNetwork:
    """A network with fewer channels.

    `network` is on the CPU, in eval. `cut` says which outputs and inputs of which layer went; it can be kept as JSON,
    and `cut_channels` does it again. `channels` holds (before, after) outputs of each convolution and linear layer that
    lost some. `before` and `after` hold "parameters" and "macs" as count_complexity
    counts them. `difference` is the largest of any output to the uncut network with those channels silenced, in
    float64: rounding.
    """

    network: nn.Module
    cut: Cut
    channels: dict[str, tuple[int, int]]
    before: dict[str, int]
    after: dict[str, int]
    difference: float


def prune_channels(
    network: nn.Module,
    example: Tensor,
    target_parameters: int | None = None,
    target_macs: int | None = None,
    scope: str = "global",
    round_to: int = 1,
    most: float = MOST,
) -> CutNetwork:
    """A copy of `network` without its weakest channels, as few of them as meet the targets.

    Channels that depend on each other (torch-pruning's graph) go together, and their strength is the L2 norm of their
    weights over the mean of those they can be exchanged with. What the network takes and gives stays. It answers worse
    than before: train it on.

    Args:
        network: a float one, whose state dict may be a trained one's.
        example: (1 or more, channel, band, frame) features.
        target_parameters, target_macs: at most so many, by count_complexity; one of them or both.
        scope: "layer" cuts the same share of every layer, "global" the weakest channels of all.
        round_to: layers that lose channels keep a multiple of so many.
        most: largest share of a layer's channels that is cut, above 0 and below 1.

    Raises:
        SettingError: no target, one below 1, or another argument out of range.
        ModelError: a network that cannot be cut, or not so far.
        MissingExtraError: torch-pruning is not installed.
    """
    targets = {"parameters": target_parameters, "macs": target_macs}
    wanted = checked("prune_channels", targets, scope, round_to, most)
    network, example = copy.deepcopy(network).cpu().float().eval(), example.cpu().float()
    groups = _proven(network, channel_groups(network, example), example)
    order = _order(network, groups, scope)

    def of_first(n: int) -> Cut:
        return _merged(groups, order[:n], round_to, most)

    def counted(n: int) -> dict[str, int]:
        return _counts(without(network, of_first(n)), example, wanted)

    low, high = -1, len(order)  # of the weakest sets: too few, enough
    least = counted(high)
    if any(least[key] > value for key, value in wanted.items()):
        reached = {key: least[key] for key in wanted}
        fixed = _uncut(network, of_first(high))
        tail = (
            f" Layers that keep their outputs: {', '.join(fixed[:8])}{', ...' if fixed[8:] else ''}." if fixed else ""
        )
        raise ModelError(
            f"{told(network)} cannot be cut to {_told(wanted)}: with {most:.0%} of all channels gone that can go there "
            f"are still {_told(reached)}.{tail}"
        )
    while high - low > 1:
        middle = (low + high) // 2
        counts = counted(middle)
        if all(counts[key] <= value for key, value in wanted.items()):
            high = middle
        else:
            low = middle
    return cut_channels(network, example, of_first(high))


def cut_channels(network: nn.Module, example: Tensor, cut: Cut) -> CutNetwork:
    """A copy of `network`, trained or fresh, without the channels that `cut` names, proven on `example`.

    Raises:
        ModelError: a cut that is not this network's, or after which it would answer otherwise than with those channels
            silenced.
    """
    whole, example = copy.deepcopy(network).cpu().eval(), example.cpu()
    smaller = without(whole, cut)
    off = difference(whole, cut, example)
    if not off <= ROUNDING * _largest(smaller, example):
        raise ModelError(
            f"{told(network)} cannot be cut there: its answers are {off:.2g} off those with the channels silenced."
        )
    plain = {layer: {side: [int(i) for i in index] for side, index in gone.items()} for layer, gone in cut.items()}
    channels = layer_channels(whole, smaller, plain)
    return CutNetwork(smaller, plain, channels, _counts(whole, example), _counts(smaller, example), off)


def checked(
    owner: str, targets: Mapping[str, int | None], scope: str, round_to: int, most: float = MOST
) -> dict[str, int]:
    """The targets that are given.

    Raises:
        SettingError: none, one below 1, or another setting out of range.
    """
    wanted = {key: value for key, value in targets.items() if value is not None}
    if not wanted:
        raise SettingError(f"{owner} takes target_parameters or target_macs; neither came.")
    for key, value in wanted.items():
        within(f"{owner}.target_{key}", value, 1)
    within(f"{owner}.round_to", round_to, 1)
    if not 0 < most < 1:
        raise SettingError(f"{owner}.most takes a share above 0 and below 1; {most} came.")
    if scope not in ("layer", "global"):
        raise SettingError(f"{owner}.scope takes 'layer' or 'global'; '{scope}' came.")
    return wanted


def _proven(network: nn.Module, groups: Sequence[Group], example: Tensor) -> list[Group]:
    """The groups of which a set can go without changing what the others do."""
    bound = ROUNDING * _largest(network, example)
    proven = []
    for group in groups:
        try:
            if difference(network, _merged([group], [(0, 0)], 1, MOST), example) <= bound:
                proven.append(group)
        except ModelError:
            continue
    return proven


@torch.no_grad()
def _order(network: nn.Module, groups: Sequence[Group], scope: str) -> list[tuple[int, int]]:
    """(group, set) of all, those that go first in front."""
    keys = {}
    for g, group in enumerate(groups):
        strengths = [_strength(network, slices) for slices in group]
        mean = sum(strengths) / len(strengths) or 1.0
        ranks = sorted(range(len(group)), key=strengths.__getitem__)
        for rank, i in enumerate(ranks):
            relative = strengths[i] / mean
            keys[g, i] = (relative, 0.0) if scope == "global" else ((rank + 1) / len(group), relative)
    return sorted(keys, key=keys.__getitem__)


def _strength(network: nn.Module, slices: Slices) -> float:
    """L2 norm of all parameters that would go."""
    total = 0.0
    for (layer, side), index in slices.items():
        for parameter in network.get_submodule(layer).parameters(recurse=False):
            axis = 0 if side == "outputs" else 1
            if parameter.dim() > axis and (axis == 0 or parameter.shape[1] > max(index)):
                total += float(parameter.index_select(axis, torch.tensor(index)).double().square().sum())
    return total**0.5


def _merged(groups: Sequence[Group], gone: Sequence[tuple[int, int]], round_to: int, most: float) -> Cut:
    """The cut of the first of `gone` in each group, as many as may go."""
    by_group: dict[int, list[int]] = {}
    for g, i in gone:
        by_group.setdefault(g, []).append(i)
    found: dict[tuple[str, str], set[int]] = {}
    for g, sets in by_group.items():
        size = len(groups[g])
        stays = size - min(len(sets), int(most * size + 1e-9), size - 1)
        stays = min(size, -(-stays // round_to) * round_to)
        for i in sets[: size - stays]:
            for key, index in groups[g][i].items():
                found.setdefault(key, set()).update(index)
    cut: Cut = {}
    for (layer, side), index in sorted(found.items()):
        cut.setdefault(layer, {})[side] = sorted(index)
    return cut


def _counts(network: nn.Module, example: Tensor, keys: Collection[str] = ("parameters", "macs")) -> dict[str, int]:
    if "macs" not in keys:
        return {"parameters": sum(parameter.numel() for parameter in network.parameters())}
    counts = count_complexity(network, example[:1], 1.0)
    return {key: int(counts[key]) for key in ("parameters", "macs")}


@torch.no_grad()
def _largest(network: nn.Module, example: Tensor) -> float:
    return float(network(example).abs().max())


def _uncut(network: nn.Module, cut: Cut) -> list[str]:
    """Convolutions and linear layers of more than one output that keep them all, but the last layer."""
    layers = [(n, m) for n, m in network.named_modules() if isinstance(m, (nn.modules.conv._ConvNd, nn.Linear))]
    return [name for name, layer in layers[:-1] if len(layer.weight) > 1 and "outputs" not in cut.get(name, {})]


def _told(counts: Mapping[str, int]) -> str:
    return " and ".join(f"{value:,} {'MACs' if key == 'macs' else key}" for key, value in counts.items())
