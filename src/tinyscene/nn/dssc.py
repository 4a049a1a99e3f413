"""DSSC: the separable convolution of report 001 (figure 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import SettingError
from .dilated_depthwise_conv import DilatedDepthwiseConv


class DSSC(nn.Module):
    """(batch, in_channels, band, frame) -> (batch, out_channels, band, frame).

    1x1 convolution in out_channels groups, then two dilated depthwise convolutions, one along each axis, whose
    sum is normalised: out * (in/out) + 6 out + 2 out parameters. out_channels divides in_channels.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        if out_channels < 1 or in_channels % out_channels:
            raise SettingError(
                f"DSSC.out_channels takes a divisor of in_channels ({in_channels}); {out_channels} came."
            )
        o = out_channels
        self.pointwise = nn.Conv2d(in_channels, o, 1, groups=o, bias=False)
        self.band = DilatedDepthwiseConv(o, "band")
        self.frame = DilatedDepthwiseConv(o, "frame")
        self.norm = nn.BatchNorm2d(o)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pointwise(x)
        return torch.relu(self.norm(self.band(x) + self.frame(x)))

    def folded(self) -> FoldedDSSC:
        """The same function with the 1x1 convolution and the batch norm multiplied into the two branches."""
        return FoldedDSSC(self)


class FoldedDSSC(nn.Module):
    """DSSC for inference: relu(band(x) + frame(x)), two grouped convolutions and one bias.

    The batch norm follows a *sum* of convolutions, which no tool folds: its scale goes into both kernels, its
    shift into the first one's bias. No activation lies between the 1x1 and the depthwise kernels, so their
    product is one grouped kernel: a third of the convolutions to quantise is gone.
    """

    def __init__(self, block: DSSC):
        super().__init__()
        norm = block.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
        mix = block.pointwise.weight.detach()  # (out, in/out, 1, 1)
        self.band = self._branch(block.band, mix, scale, bias=True)
        self.frame = self._branch(block.frame, mix, scale, bias=False)
        assert self.band.bias is not None
        self.band.bias.data.copy_(norm.bias.detach() - norm.running_mean * scale)

    @staticmethod
    def _branch(conv: nn.Conv2d, mix: Tensor, scale: Tensor, bias: bool) -> nn.Conv2d:
        out, per_group = mix.shape[:2]
        folded = nn.Conv2d(
            out * per_group,
            out,
            conv.kernel_size,  # type: ignore[arg-type]
            padding=conv.padding,  # type: ignore[arg-type]
            dilation=conv.dilation,  # type: ignore[arg-type]
            groups=out,
            bias=bias,
        )
        folded.weight.data.copy_(conv.weight.detach() * mix * scale[:, None, None, None])
        return folded

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.band(x) + self.frame(x))
