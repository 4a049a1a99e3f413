"""Parameters, bytes and multiply-accumulates of a torch network, as the challenge's official counter counts them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


def count_complexity(
    network: nn.Module, features: Tensor, window_s: float, int8_form: nn.Module | None = None
) -> dict[str, Any]:
    """Counts of one inference on `features`, (1, channel, band, frame), the front end left out.

    Parameters and macs are those of the float `network`, on which the official counters work too (they see nothing
    in quantised modules); bytes are what is stored: of `network` in float32, or of its folded `int8_form`.

    parameters          trainable and frozen parameters, batch norm 2 a channel (torch's sum of numel)
    parameters_keras    the same with batch norm at 4 a channel, as Keras prints "Total params"
    parameters_nonzero  those that are not 0
    bytes               as stored: 4 a parameter; in int8 1 a weight and 4 a bias
    bytes_nonzero       the same over the non-zero ones (the rule of 2020 and 2021)
    macs                rule of the official counter of 2022 to 2025 (NeSsi, torchinfo): a convolution's parameters,
                        bias included, times its output positions; any other layer's parameters once
    macs_per_s          macs for each second of audio, windows side by side
    """
    parameters = list(network.parameters())
    total = sum(p.numel() for p in parameters)
    nonzero = sum(int(torch.count_nonzero(p)) for p in parameters)
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    stored = dict((int8_form or network).named_parameters())
    each = {name: _bytes_each(name, int8_form is not None) for name in stored}
    macs = _macs(network, features)
    return {
        "parameters": total,
        "parameters_keras": total + 2 * sum(m.num_features for m in norms),
        "parameters_nonzero": nonzero,
        "bytes": sum(p.numel() * each[name] for name, p in stored.items()),
        "bytes_nonzero": sum(int(torch.count_nonzero(p)) * each[name] for name, p in stored.items()),
        "macs": macs,
        "macs_per_s": round(macs / window_s),
    }


def _bytes_each(name: str, int8: bool) -> int:
    # Integer runtimes keep weights in one byte and biases, which add to int32 sums, in four. So is what stays float.
    return 1 if int8 and name.rpartition(".")[2] == "weight" else 4


@torch.no_grad()
def _macs(network: nn.Module, features: Tensor) -> int:
    counted = 0

    def count(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal counted
        own = sum(p.numel() for name, p in module.named_parameters(recurse=False) if name in ("weight", "bias"))
        positions = math.prod(output.shape[2:]) if isinstance(module, nn.modules.conv._ConvNd) else 1
        counted += own * positions * output.shape[0]

    leaves = [m for m in network.modules() if not list(m.children())]
    hooks = [m.register_forward_hook(count) for m in leaves]
    was_training = network.training
    try:
        network.eval()(features)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return counted
