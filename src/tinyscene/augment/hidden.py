"""Augmentations inside the network, for the length of one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.fx import GraphModule

from ..batch import Batch
from ..errors import SettingError, unknown


@contextmanager
def hidden_augmentation(
    network: nn.Module, parts: Sequence[Any], batch: Batch, rng: np.random.Generator
) -> Iterator[None]:
    """Inside the block, each part changes the network's input and the layers it names in `at`, a new draw for each.

    Parts see (batch, channel, band, frame) everywhere: a layer whose frames come before its bands, as the part's
    `frame_axis` of -2 says, is turned for them. Draws are taken in the order of the forward pass. A traced network has
    no layers to name: it is left as it is.

    Raises:
        SettingError: a part names a layer that the network does not have, or whose output is no map.
    """
    layers = dict(network.named_modules())
    hooks = []

    def changed(part: Any, name: str, x: Any) -> Tensor:
        if not isinstance(x, Tensor) or x.dim() != 4:
            gives = tuple(x.shape) if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise SettingError(
                f"{type(part).__name__}.at takes layers that give maps (batch, channel, band, frame); '{name}' gives "
                f"{gives}. Name a layer before the maps are pooled."
            )
        turned = name != "input" and part.frame_axis == -2
        here = replace(batch, x=x.transpose(-1, -2) if turned else x)
        x = part.apply(here, part.draw(here, rng)).x
        return x.transpose(-1, -2) if turned else x

    def before(part: Any) -> Callable[..., tuple[Any, ...]]:
        return lambda _, inputs: (changed(part, "input", inputs[0]), *inputs[1:])

    def behind(part: Any, name: str) -> Callable[..., Tensor]:
        return lambda _, __, x: changed(part, name, x)

    try:
        for part in () if isinstance(network, GraphModule) else parts:
            for name in part.at:
                if name == "input":
                    hooks.append(network.register_forward_pre_hook(before(part)))
                elif name in layers:
                    hooks.append(layers[name].register_forward_hook(behind(part, name)))
                else:
                    top = (child for child, _ in network.named_children())
                    raise unknown(f"{type(part).__name__}.at: the network", "layer", name, ("input", *top))
        yield
    finally:
        for hook in hooks:
            hook.remove()
