"""Max feature map (Wu et al. 2018): the larger of two halves of the channels in place of an activation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import SettingError


def max_feature_map(x: Tensor) -> Tensor:
    """(batch, 2 * channel, ...) -> (batch, channel, ...): each channel against its partner half-way on."""
    first, second = x.chunk(2, dim=1)
    return torch.maximum(first, second)


class MFMConv(nn.Conv2d):
    """A convolution to twice the channels and the max feature map of them: (batch, in, ...) -> (batch, out, ...)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, bias: bool = False):
        if kernel_size % 2 == 0:
            raise SettingError(f"MFMConv.kernel_size takes an odd number; {kernel_size} came.")
        super().__init__(in_channels, 2 * out_channels, kernel_size, padding=kernel_size // 2, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        return max_feature_map(super().forward(input))


class MFMLinear(nn.Linear):
    """A linear layer to twice the width and the max feature map of it: (batch, in) -> (batch, out)."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__(in_features, 2 * out_features)

    def forward(self, input: Tensor) -> Tensor:
        return max_feature_map(super().forward(input))
