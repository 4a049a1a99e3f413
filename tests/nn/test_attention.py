"""CBAM, squeeze and excitation, coordinate attention, max feature map: each against its paper's formula, restated."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tinyscene.nn import (
    CBAM,
    CoordinateAttention,
    MFMConv,
    MFMLinear,
    SqueezeExcitation,
    max_feature_map,
)

X = torch.randn(2, 6, 7, 5, generator=torch.Generator().manual_seed(0))


def made(module):
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module.eval()


@torch.no_grad()
def test_max_feature_map_takes_the_larger_of_channel_i_and_i_plus_half():
    wanted = torch.stack([torch.maximum(X[:, i], X[:, i + 3]) for i in range(3)], 1)
    assert torch.equal(max_feature_map(X), wanted)
    conv = made(MFMConv(6, 4, 3))
    assert torch.equal(conv(X), max_feature_map(F.conv2d(X, conv.weight, padding=1)))
    assert conv(X).shape == (2, 4, 7, 5)
    assert conv.bias is None
    linear = made(MFMLinear(6, 4))
    assert torch.equal(linear(X[:, :, 0, 0]), max_feature_map(F.linear(X[:, :, 0, 0], linear.weight, linear.bias)))


@torch.no_grad()
def test_squeeze_and_excitation():
    module = made(SqueezeExcitation(6, 2))
    first, _, second = module.inner
    inner = torch.relu(X.mean((2, 3)) @ first.weight.T + first.bias)
    weights = torch.sigmoid(inner @ second.weight.T + second.bias)
    torch.testing.assert_close(module(X), X * weights[..., None, None])


@torch.no_grad()
def test_cbam_weighs_channels_then_places():
    module = made(CBAM(6, 2))
    first, _, second = module.channel

    def shared(x):
        return torch.relu(x @ first.weight.T + first.bias) @ second.weight.T + second.bias

    channels = torch.sigmoid(
        shared(F.adaptive_avg_pool2d(X, 1)[..., 0, 0]) + shared(F.adaptive_max_pool2d(X, 1)[..., 0, 0])
    )
    y = X * channels[..., None, None]
    conv, norm = module.place
    maps = torch.stack([y.max(1).values, y.mean(1)], 1)
    places = torch.sigmoid(norm(F.conv2d(maps, conv.weight, padding=3)))
    torch.testing.assert_close(module(X), y * places)


@torch.no_grad()
def test_coordinate_attention_is_the_official_formula():
    """houqb/CoordinateAttention: pool along either axis, one convolution, part again, weigh."""
    module = made(CoordinateAttention(6, 2))
    conv, norm, swish = module.inner
    x_h, x_w = X.mean(3, keepdim=True), X.mean(2, keepdim=True).permute(0, 1, 3, 2)
    y = norm(F.conv2d(torch.cat([x_h, x_w], 2), conv.weight, conv.bias))
    y = y * F.relu6(y + 3) / 6
    a_h = torch.sigmoid(F.conv2d(y[:, :, :7], module.band.weight, module.band.bias))
    a_w = torch.sigmoid(F.conv2d(y[:, :, 7:].permute(0, 1, 3, 2), module.frame.weight, module.frame.bias))
    torch.testing.assert_close(module(X), X * a_w * a_h, atol=1e-5, rtol=1e-5)
    assert isinstance(swish, torch.nn.Hardswish)


@pytest.mark.parametrize(("channels", "inner"), [(64, 8), (128, 8), (512, 16)])
def test_coordinate_attention_has_eight_inner_channels_at_least(channels, inner):
    assert CoordinateAttention(channels).inner[0].out_channels == inner
