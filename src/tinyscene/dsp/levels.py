"""Powers to levels."""

from __future__ import annotations

import torch
from torch import Tensor


def level(power: Tensor, log: str, floor: float) -> Tensor:
    """`log` "log10" and "ln" take log(x + floor); "db" takes 10 log10(max(x, floor)). Same shape."""
    if log == "db":
        return 10.0 * torch.log10(power.clamp(min=floor))
    return torch.log10(power + floor) if log == "log10" else torch.log(power + floor)
