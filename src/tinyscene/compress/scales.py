"""Scales of int8 on which every runtime rounds alike: powers of 2, few bits, and for sums what parts their halves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def on_grid(scale: Tensor, low: Tensor, summands: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor]:
    """(scale, zero point) of an activation on the grid of this scheme: a range from `low` that took `scale` before.

    The scale is the next power of 2; that of a sum the next of `parting`. The zero point is even: a value half way
    between two steps goes to the even one, and some runtimes (onnxruntime's addition) ask which is even after the zero
    point has been added.
    """
    scale = scale * (255 / 254)  # a step to spare for the even zero point
    scale = parting(scale, torch.stack(list(summands))) if summands else rounded_up(scale, 1)
    zero_point = -128 - 2 * torch.round(torch.clamp(low, max=0) / (2 * scale))
    return scale, torch.clamp(zero_point, -128, 126).to(torch.int64).reshape(scale.shape)


def rounded_up(scale: Tensor, bits: int) -> Tensor:
    """The next number of so many significant bits that is not below; with one bit, the next power of 2."""
    mantissa, exponent = torch.frexp(scale)
    return torch.ldexp(torch.ceil(torch.ldexp(mantissa, torch.tensor(bits))), exponent - bits)


def parting(scale: Tensor, summands: Tensor) -> Tensor:
    """The next scale, not below, in which no sum of whole steps of `summands` (summand, 1) lies half way between two.

    With powers of 2 up to half of all sums do. torch and onnxruntime take them to the even step, XNNPACK up, LiteRT's
    own kernels away from 0: after eight additions an untrained network answered otherwise on half of the windows. An
    odd number of the largest unit that all summands are whole numbers of parts them. From 32 units on, sums half way
    are too few to be worth more than five significant bits, and it is the next power of 2 again.
    """
    mantissa, exponent = torch.frexp(summands)
    whole = torch.ldexp(mantissa, torch.tensor(24)).to(torch.int64)
    unit = torch.ldexp((whole & -whole).to(scale.dtype), exponent - 24).amin(0)
    units = 2 * torch.ceil((scale / unit - 1) / 2) + 1
    return torch.where((units > 1) & (units < 32), units * unit, rounded_up(scale, 1))
