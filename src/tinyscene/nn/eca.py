"""Efficient channel attention (Wang et al. 2020), as report 001 uses it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import SettingError


class ECA(nn.Module):
    """Weights each channel by a sigmoid of its own mean and its neighbours': (batch, channel, band, frame) -> same.

    One convolution of `kernel_size` (odd) runs over the channel axis, without bias: kernel_size parameters in all.
    """

    def __init__(self, kernel_size: int = 3):
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise SettingError(f"ECA.kernel_size takes an odd number of channels; {kernel_size} came.")
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.conv(x.mean((2, 3)).unsqueeze(1)))
        return x * weights.permute(0, 2, 1).unsqueeze(-1)
