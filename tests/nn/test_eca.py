"""ECA against its formula."""

from __future__ import annotations

import pytest
import torch

from tinyscene.errors import SettingError
from tinyscene.nn import ECA


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_each_channel_is_weighted_by_a_sigmoid_of_the_means_around_it(kernel_size):
    torch.manual_seed(0)
    x, block = torch.randn(2, 7, 4, 6), ECA(kernel_size)
    kernel = block.conv.weight.detach().flatten()
    reach = kernel_size // 2
    expected = torch.empty_like(x)
    for clip in range(2):
        for channel in range(7):
            total = sum(
                kernel[k + reach] * x[clip, channel + k].mean()
                for k in range(-reach, reach + 1)
                if 0 <= channel + k < 7
            )
            expected[clip, channel] = x[clip, channel] / (1 + torch.exp(-total))
    assert torch.allclose(block(x), expected, atol=1e-6)


def test_it_has_as_many_parameters_as_its_kernel():
    assert sum(p.numel() for p in ECA(5).parameters()) == 5


@pytest.mark.parametrize("kernel_size", [0, 2, -1])
def test_an_even_kernel_is_refused(kernel_size):
    with pytest.raises(SettingError, match=f"ECA.kernel_size takes an odd number of channels; {kernel_size} came"):
        ECA(kernel_size)
