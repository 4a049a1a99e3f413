"""Maps brought to mean 0 and deviation 1."""

from __future__ import annotations

from torch import Tensor


def standardised(x: Tensor, axes: tuple[int, ...], floor: float) -> Tensor:
    """(x - mean) / max(deviation, floor), both over `axes`; the deviation is the population's; same shape.

    A constant map becomes 0, and its gradient stays finite.
    """
    centred = x - x.mean(axes, keepdim=True)
    centred = centred - centred.mean(axes, keepdim=True)  # all that is left of a constant map is rounding
    variance = centred.square().mean(axes, keepdim=True)
    return centred / variance.clamp(min=floor**2).sqrt()  # clamped first: the root of 0 has no gradient
