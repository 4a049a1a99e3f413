"""Batch norm folded away: the same function in inference, with fewer operations to quantise."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ChannelAffine(nn.Module):
    """(batch, channel, ...) -> the same, each channel times a weight plus a bias: a batch norm with no convolution.

    It is a convolution of one tap a channel, which every int8 runtime has, with a scale of its own for each weight: so
    that it rounds once, where a product and a sum would round twice and stay float in most runtimes.
    """

    def __init__(self, norm: nn.BatchNorm2d | nn.BatchNorm1d):
        super().__init__()
        scale, shift = _numbers(norm)
        self.weight, self.bias = nn.Parameter(scale[:, None, None, None]), nn.Parameter(shift)

    def forward(self, x: Tensor) -> Tensor:
        missing = 4 - x.ndim
        for _ in range(missing):
            x = x.unsqueeze(-1)
        x = conv2d(x, self.weight, self.bias, groups=len(self.bias))
        for _ in range(missing):
            x = x.squeeze(-1)
        return x


def _numbers(norm: nn.BatchNorm2d | nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """(scale, shift) of each channel in inference."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = torch.rsqrt(norm.running_var + norm.eps) * (1 if norm.weight is None else norm.weight.detach())
    return scale, -norm.running_mean * scale + (0 if norm.bias is None else norm.bias.detach())


def fold(network: nn.Module) -> nn.Module:
    """A copy of `network` for inference, without batch norm; outputs differ by rounding only (about 1e-6).

    In this order: a block with a method `folded` is asked for its own inference form; in a Sequential, a batch norm
    right after a convolution is multiplied into it, and one right before a linear layer too; every batch norm that
    stays becomes a ChannelAffine. (One before a convolution stays: what the convolution pads with zeros is to be 0
    behind the norm, which its shift moves.)
    """
    holder = nn.ModuleList([copy.deepcopy(network).eval()])  # so that the network itself can be replaced too
    _replace(holder, _own_form)
    for module in holder.modules():
        if isinstance(module, nn.Sequential):
            _fuse_neighbours(module)
    _replace(holder, _affine)
    return holder[0].eval()


def _replace(module: nn.Module, form: Callable[[nn.Module], nn.Module]) -> None:
    for name, child in module.named_children():
        other = form(child)
        if other is child:
            _replace(child, form)
        else:
            setattr(module, name, other)


def _own_form(module: nn.Module) -> nn.Module:
    own: Callable[[], nn.Module] | None = getattr(module, "folded", None)
    return module if own is None else own()


def _affine(module: nn.Module) -> nn.Module:
    return ChannelAffine(module) if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) else module


def _fuse_neighbours(sequence: nn.Sequential) -> None:
    names = [name for name, _ in sequence.named_children()]
    for first, second in pairwise(names):
        one, two = getattr(sequence, first), getattr(sequence, second)
        if isinstance(one, (nn.Conv1d, nn.Conv2d)) and isinstance(two, (nn.BatchNorm1d, nn.BatchNorm2d)):
            setattr(sequence, first, fuse_conv_bn_eval(one, two))
            setattr(sequence, second, nn.Identity())
        elif isinstance(one, nn.BatchNorm1d) and type(two) is nn.Linear:
            scale, shift = _numbers(one)
            bias = two.weight.detach() @ shift + (0 if two.bias is None else two.bias.detach())
            two.weight, two.bias = nn.Parameter(two.weight.detach() * scale), nn.Parameter(bias)
            setattr(sequence, first, nn.Identity())
