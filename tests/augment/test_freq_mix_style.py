"""FreqMixStyle: statistics are swapped, the normalised map is not; the law of its shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import FreqMixStyle, augmented
from tinyscene.augment.freq_mix_style import FreqMixStyleDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


def batch(n: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(0)
    level = torch.randn(n, 1, 10, 1, generator=generator, dtype=torch.float64) * 3
    spread = torch.rand(n, 1, 10, 1, generator=generator, dtype=torch.float64) + 0.5
    x = torch.randn(n, 2, 10, 30, generator=generator, dtype=torch.float64) * spread + level
    return Batch(x=x, target=torch.eye(n))


def statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x.mean((1, 3)), x.std((1, 3), correction=0)


def mixed(own: float, partner: list[int]) -> torch.Tensor:
    return FreqMixStyle().apply(batch(), FreqMixStyleDraw(np.full(4, own), np.array(partner))).x


def test_with_no_share_of_its_own_a_clip_has_its_partners_statistics_and_its_own_shape():
    before, after = batch().x, mixed(0.0, [1, 2, 3, 0])
    for one, other in zip(statistics(after), statistics(before), strict=True):
        torch.testing.assert_close(one, other[[1, 2, 3, 0]], atol=1e-5, rtol=1e-5)
    (mean, deviation), (old_mean, old_deviation) = statistics(after), statistics(before)
    shape = (after - mean[:, None, :, None]) / deviation[:, None, :, None]
    old_shape = (before - old_mean[:, None, :, None]) / old_deviation[:, None, :, None]
    torch.testing.assert_close(shape, old_shape, atol=1e-4, rtol=1e-4)


def test_shares_between_mix_both_statistics_linearly():
    (mean, deviation), (old_mean, old_deviation) = statistics(mixed(0.25, [1, 2, 3, 0])), statistics(batch().x)
    torch.testing.assert_close(mean, 0.25 * old_mean + 0.75 * old_mean[[1, 2, 3, 0]], atol=1e-5, rtol=1e-5)
    wanted = 0.25 * old_deviation + 0.75 * old_deviation[[1, 2, 3, 0]]
    torch.testing.assert_close(deviation, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("own", "partner"), [(1.0, [1, 2, 3, 0]), (0.3, [0, 1, 2, 3])], ids=["all own", "itself"])
def test_its_own_statistics_leave_a_clip_as_it_was(own, partner):
    torch.testing.assert_close(mixed(own, partner), batch().x)


def test_whole_batches_are_mixed_with_that_probability():
    draws = [FreqMixStyle(p=0.4).draw(batch(), np.random.default_rng(seed)) for seed in range(3_000)]
    mixed_batches = sum(drawn.own is not None for drawn in draws)
    assert stats.binomtest(mixed_batches, 3_000, 0.4).pvalue > 0.001
    shares = np.concatenate([drawn.own for drawn in draws if drawn.own is not None])
    assert stats.kstest(shares, stats.beta(0.3, 0.3).cdf).pvalue > 0.001
    assert all(sorted(drawn.partner) == [0, 1, 2, 3] for drawn in draws[:20])


def test_the_order_of_frames_is_of_no_account():
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    drawn = FreqMixStyleDraw(np.full(4, 0.3), np.array([1, 2, 3, 0]))
    clips = batch()
    shuffled = FreqMixStyle().apply(Batch(x=clips.x[..., order], target=clips.target), drawn).x
    torch.testing.assert_close(shuffled, FreqMixStyle().apply(clips, drawn).x[..., order])


@pytest.mark.parametrize("shape", [(4, 1, 10, 1), (4, 2, 10, 30)], ids=["one frame", "constant bands"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_bands_without_deviation_only_take_the_mixed_mean(shape, dtype):
    x = torch.randn(4, 1, 10, 1, dtype=dtype, generator=torch.Generator().manual_seed(2)).expand(shape)
    drawn = FreqMixStyleDraw(np.full(4, 0.25), np.array([1, 2, 3, 0]))
    made = FreqMixStyle().apply(Batch(x=x, target=torch.eye(4)), drawn).x
    torch.testing.assert_close(made, 0.25 * x + 0.75 * x[[1, 2, 3, 0]], atol=1e-5, rtol=1e-5)


def test_targets_stay():
    clips = batch()
    assert augmented(clips, [FreqMixStyle(p=1.0)], np.random.default_rng(0)).target is clips.target


@pytest.mark.parametrize(("setting", "words"), [({"alpha": 0}, r"\.alpha takes a number above 0"), ({"p": -1}, r"\.p")])
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=f"FreqMixStyle{words}"):
        FreqMixStyle(**setting)
