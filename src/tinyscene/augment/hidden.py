"""Augmentations inside the network, for the length of one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..batch import Batch
from ..errors import unknown


@contextmanager
def hidden_augmentation(
    network: nn.Module, parts: Sequence[Any], batch: Batch, rng: np.random.Generator
) -> Iterator[None]:
    """Inside the block, each part changes the network's input and the layers it names in `at`, a new draw for each.

    Draws are taken in the order of the forward pass. A traced network has no layers to name: it is left as it is.

    Raises:
        SettingError: a part names a layer that the network does not have.
    """
    layers = dict(network.named_modules())
    hooks = []

    def changed(part: Any, x: Tensor) -> Tensor:
        here = replace(batch, x=x)
        return part.apply(here, part.draw(here, rng)).x

    try:
        for part in parts:
            if hasattr(network, "graph"):
                break
            for name in part.at:
                if name == "input":
                    hook = network.register_forward_pre_hook(
                        lambda _, inputs, part=part: (changed(part, inputs[0]), *inputs[1:])
                    )
                elif name in layers:
                    hook = layers[name].register_forward_hook(
                        lambda _, __, x, part=part: changed(part, x)  # type: ignore[arg-type]
                    )
                else:
                    named = ["input", *(key for key in layers if key)]
                    raise unknown(type(part).__name__, "layer", name, named)
                hooks.append(hook)
        yield
    finally:
        for hook in hooks:
            hook.remove()
