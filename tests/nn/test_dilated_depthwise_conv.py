"""The fast gradient is that of the convolution it stands for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tinyscene.errors import SettingError
from tinyscene.nn import DilatedDepthwiseConv

LIKE = {"band": {"kernel_size": (3, 1), "padding": (2, 0), "dilation": (2, 1)}}
LIKE["frame"] = {key: size[::-1] for key, size in LIKE["band"].items()}


@pytest.mark.parametrize("axis", ["band", "frame"])
@pytest.mark.parametrize("size", [(9, 7), (1, 1), (2, 2), (3, 3), (1, 5)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_output_and_gradients_are_those_of_torchs_convolution(axis, size, layout):
    torch.manual_seed(0)
    ours = DilatedDepthwiseConv(4, axis).double()
    theirs = nn.Conv2d(4, 4, groups=4, bias=False, **LIKE[axis]).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 4, *size, dtype=torch.float64).contiguous(memory_format=layout)
    weigh = torch.randn(3, 4, *size, dtype=torch.float64)
    found = []
    for layer in (ours, theirs):
        leaf = x.clone().requires_grad_()
        out = layer.train()(leaf)
        (out * weigh).sum().backward()
        found.append((out.detach(), leaf.grad, layer.weight.grad))
    for mine, reference in zip(*found, strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-12, rtol=1e-12)


def test_evaluation_is_the_plain_convolution_and_training_is_not():
    x = torch.randn(1, 2, 5, 5)
    layer = DilatedDepthwiseConv(2, "band")
    assert "TapsAlongAxis" in type(layer.train()(x).grad_fn).__name__
    assert "Convolution" in type(layer.eval()(x).grad_fn).__name__
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert "TapsAlongAxis" not in type(layer.train()(x).grad_fn).__name__


@pytest.mark.parametrize(("channels", "axis", "told"), [(0, "band", "1 or more"), (2, "time", "'band' or 'frame'")])
def test_what_it_cannot_be_is_refused(channels, axis, told):
    with pytest.raises(SettingError, match=told):
        DilatedDepthwiseConv(channels, axis)
