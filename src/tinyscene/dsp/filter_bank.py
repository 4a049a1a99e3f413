"""A filter bank as a product with constant weights, its zeros left out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..runtime.banded import banded


class FilterBank(nn.Module):
    """Spectrum (batch, frequency, frame) -> (batch, band, frame), by weights (band, frequency) that are cast once.

    A model file gets the whole matrix in one product: stored by its non-zeros it is a fifth of the blocks.
    """

    def __init__(self, bank: np.ndarray):
        super().__init__()
        whole = torch.from_numpy(bank).float()
        self.register_buffer("whole", whole, persistent=False)
        self.whole: Tensor
        self.bins: list[tuple[int, int]] = []
        for i, (bands, bins) in enumerate(banded(bank)):
            self.bins.append((bins.start, bins.stop - bins.start))
            self.register_buffer(f"block_{i}", whole[bands, bins].contiguous(), persistent=False)

    def forward(self, spectrum: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return torch.matmul(self.whole, spectrum)
        parts = [
            torch.matmul(getattr(self, f"block_{i}"), spectrum.narrow(1, first, n))
            for i, (first, n) in enumerate(self.bins)
        ]
        return torch.cat(parts, dim=1)
