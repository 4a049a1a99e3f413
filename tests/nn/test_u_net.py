"""UNet and PatchGAN: shapes, the identity it begins as, the published field of view, gradients."""

from __future__ import annotations

import pytest
import torch

from tinyscene.errors import SettingError
from tinyscene.nn.patch_gan import PatchGAN
from tinyscene.nn.u_net import UNet


@pytest.mark.parametrize("shape", [(3, 256, 36), (2, 256, 44), (1, 40, 51), (1, 8, 9)])
@pytest.mark.parametrize("depth", [2, 5])
@torch.no_grad()
def test_maps_of_any_size_come_out_as_large_and_at_first_as_they_were(shape, depth):
    torch.manual_seed(0)
    x = torch.randn(2, *shape)
    made = UNet(shape[0], width=4, depth=depth).eval()(x)
    torch.testing.assert_close(made, x)


def test_every_weight_has_a_finite_gradient_and_takes_part():
    torch.manual_seed(0)
    network = UNet(2, width=4, depth=4).train()
    torch.nn.init.normal_(network.out.weight, 0, 0.1)
    network(torch.randn(1, 2, 40, 36)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if "conv.bias" not in name:  # a norm behind a convolution takes its bias away
            assert parameter.grad.abs().max() > 0, name


def test_full_size_has_the_published_widths():
    downs = [block.conv.out_channels for block in UNet(1, depth=8).down]
    assert downs == [64, 128, 256, 512, 512, 512, 512, 512]


def test_a_patch_is_70_cells_wide():
    torch.manual_seed(0)
    judge = PatchGAN(1, width=4).eval()
    for module in judge.modules():  # a norm looks at the whole map; the field is that of the convolutions
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.forward = lambda x: x
    x = torch.randn(1, 1, 140, 140, requires_grad=True)
    logits = judge(x, x)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert x.grad is not None
    rows, columns = (x.grad[0, 0].abs().sum(axis).nonzero().squeeze() for axis in (1, 0))
    assert int(rows.max() - rows.min()) + 1 == int(columns.max() - columns.min()) + 1 == 70


def test_the_judge_sees_source_and_target():
    torch.manual_seed(0)
    judge = PatchGAN(2, width=4)
    source, target = (torch.randn(1, 2, 256, 44, requires_grad=True) for _ in range(2))
    judge(source, target).sum().backward()
    for maps in (source, target):
        assert maps.grad is not None
        assert maps.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("numbers", "words"), [({"depth": 9}, r"UNet\.depth takes 2 to 8"), ({"width": 0}, r"UNet\.width")]
)
def test_bad_settings_name_the_field(numbers, words):
    with pytest.raises(SettingError, match=words):
        UNet(1, **numbers)
