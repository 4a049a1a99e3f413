"""The dilated depthwise convolution along one axis that reports 001 and 004 are built of, fast to train on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d

from ..errors import SettingError

IN_CACHE = 2**19  # cells of a map: 2 MB, what a core's cache holds


class DilatedDepthwiseConv(nn.Conv2d):
    """(batch, channel, band, frame) -> the same shape: 3 taps of every other cell along one axis, channel by channel.

    A Conv2d like any other: 3 parameters a channel, no bias. Only its gradient is made in another way, on a CPU,
    in training: torch's backward of this convolution takes ten times its forward (benchmarks/training_step.py), so the
    gradient of the input is a forward convolution with the taps turned round, and that of the taps three sums.
    (The official counter knows a convolution by "Conv" in the name of its class.)

    Args:
        channels: of the input and the output. axis: "band" or "frame".
    """

    def __init__(self, channels: int, axis: str):
        if axis not in ("band", "frame"):
            raise SettingError(f"DilatedDepthwiseConv.axis takes 'band' or 'frame'; '{axis}' came.")
        if channels < 1:
            raise SettingError(f"DilatedDepthwiseConv.channels takes 1 or more; {channels} came.")
        size, reach = ((3, 1), (2, 0)) if axis == "band" else ((1, 3), (0, 2))
        dilation = (2, 1) if axis == "band" else (1, 2)
        super().__init__(channels, channels, size, padding=reach, dilation=dilation, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        # Evaluation, exports and counters see the convolution itself; so does mixed precision, which has its own rules.
        learns = self.training and torch.is_grad_enabled() and not torch.compiler.is_exporting()
        if learns and x.device.type == "cpu" and self.bias is None and not torch.is_autocast_enabled("cpu"):
            return _TapsAlongAxis.apply(x, self.weight, 2 + (self.kernel_size[0] == 1))  # type: ignore[no-any-return]
        return super().forward(x)


class _TapsAlongAxis(torch.autograd.Function):
    """The convolution of the class above along `axis` (2 or 3) with its own backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, axis: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.axis = axis
        return _convolved(x, weight, axis)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        axis = ctx.axis
        of_input = _convolved(grad, weight.flip(axis), axis) if ctx.needs_input_grad[0] else None
        # A few clips at a time, whose maps stay in the cache for all three sums; a compiler does without the products.
        few = max(1, IN_CACHE // max(1, x[0].numel())) if len(x) and not torch.compiler.is_compiling() else len(x)
        parts = zip(x.split(few), grad.split(few), strict=True)
        taps = sum((_correlation(part, of_output, axis) for part, of_output in parts), start=weight.new_zeros(()))
        return of_input, taps.T.reshape(weight.shape), None


def _correlation(x: Tensor, grad: Tensor, axis: int) -> Tensor:
    """(tap, channel): what each tap heard, times the gradient of what it told."""
    size, taps = x.shape[axis], []
    for shift in (-2, 0, 2):
        length = max(0, size - abs(shift))  # of the cells whose tap lies inside; no cell on an axis of two
        heard, told = (min(max(0, step), size - length) for step in (shift, -shift))
        taps.append((x.narrow(axis, heard, length) * grad.narrow(axis, told, length)).sum((0, 2, 3)))
    return torch.stack(taps)


def _convolved(x: Tensor, weight: Tensor, axis: int) -> Tensor:
    reach, dilation = ((2, 0), (2, 1)) if axis == 2 else ((0, 2), (1, 2))
    return conv2d(x, weight, None, 1, reach, dilation, weight.shape[0])
