"""MixupNorm: between the map and its instance norm, by a share of the right distribution."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from tinyscene.errors import SettingError
from tinyscene.nn.mixup_norm import MixupNorm


def maps(*shape: int) -> Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(1)) + 2


def normalised(x: Tensor) -> Tensor:
    """Instance norm, from the means and variances of the maps."""
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def randomised(norm: MixupNorm) -> MixupNorm:
    torch.manual_seed(2)
    nn.init.uniform_(norm.weight, -2, 2)
    nn.init.normal_(norm.bias)
    return norm


@torch.no_grad()
def share(norm: MixupNorm, x: Tensor) -> float:
    """What is left of the distance between the map and its instance norm, read off the answer."""
    way = normalised(x) - x
    return float(((norm(x) - x) * way).sum() / way.square().sum())


def test_inference_is_half_the_map_and_half_its_instance_norm():
    x, norm = maps(3, 4, 6, 5), randomised(MixupNorm(4)).eval()
    expected = norm.weight.view(4, 1, 1) * (0.5 * normalised(x) + 0.5 * x) + norm.bias.view(4, 1, 1)
    torch.testing.assert_close(norm(x), expected)
    assert torch.equal(norm(x), norm(x))


@pytest.mark.parametrize("alpha", [0.3, 2.0])
def test_training_draws_one_share_a_batch_from_the_beta_distribution(alpha):
    x, norm = maps(2, 1, 2, 2), MixupNorm(1, alpha).train()
    torch.manual_seed(4)
    shares = [share(norm, x) for _ in range(2000)]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01
    whole = maps(5, 3, 4, 4)
    norm = MixupNorm(3, alpha).train()
    torch.manual_seed(5)
    made = norm(whole)
    ways = (made - whole) / (normalised(whole) - whole)
    torch.testing.assert_close(ways, ways.median().expand_as(ways), atol=1e-3, rtol=1e-3)


def test_the_seed_of_torch_decides_the_share():
    x, norm = maps(2, 3, 4, 4), MixupNorm(3).train()
    torch.manual_seed(7)
    first, second = norm(x), norm(x)
    torch.manual_seed(7)
    assert torch.equal(norm(x), first)
    assert not torch.equal(first, second)


def test_it_takes_a_part_of_the_level_away_and_leaves_a_clip_alone():
    """A device's gain and offset are halved; what is in the batch beside a clip says nothing."""
    x, norm = maps(3, 4, 6, 5), MixupNorm(4).eval()
    moved = x + 10
    torch.testing.assert_close(norm(moved) - norm(x), torch.full_like(x, 5.0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(norm(x[1:2])[0], norm(x)[1])


def test_folded_is_the_inference_in_any_mode_and_shares_nothing():
    x, norm = maps(3, 4, 6, 5), randomised(MixupNorm(4)).eval()
    expected, folded = norm(x), norm.folded()
    torch.testing.assert_close(folded.train()(x), expected)
    torch.testing.assert_close(folded.eval()(x), expected)
    with torch.no_grad():
        for parameter in folded.parameters():
            parameter.zero_()
    torch.testing.assert_close(norm(x), expected)


def test_parameters_are_two_a_channel_and_get_gradients():
    norm = MixupNorm(5)
    assert sum(p.numel() for p in norm.parameters()) == 10
    norm(maps(2, 5, 3, 3)).square().sum().backward()
    for parameter in norm.parameters():
        assert parameter.grad is not None
        assert parameter.grad.count_nonzero() == 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept_and_silence_stays_finite(dtype):
    norm = MixupNorm(2).to(dtype).train()
    made = norm(torch.zeros(2, 2, 3, 4, dtype=dtype))
    assert made.dtype == dtype
    assert made.isfinite().all()


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"channels": 0}, "MixupNorm.channels takes 1 or more; 0 came."),
        ({"channels": 4, "alpha": 0}, "MixupNorm.alpha takes a number above 0; 0 came."),
        ({"channels": 4, "alpha": float("nan")}, "MixupNorm.alpha takes a number above 0; nan came."),
    ],
)
def test_a_setting_out_of_range_is_told_by_its_name(numbers, text):
    with pytest.raises(SettingError) as caught:
        MixupNorm(**numbers)
    assert str(caught.value) == text
