"""Stripes across a map: what masks cover."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def covered(start: np.ndarray, width: np.ndarray, size: int, device: torch.device) -> Tensor:
    """(batch, masks) first index and width -> (batch, size) bool: which indices lie in any stripe of their clip."""
    index = np.arange(size)
    hit = (index >= start[..., None]) & (index < (start + width)[..., None])
    return torch.as_tensor(hit.any(axis=1), device=device)
