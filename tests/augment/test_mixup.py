"""Mixup: mass, shares, partners, the switch to half a batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import Mixup, augmented
from tinyscene.augment.mixup import MixupDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


def batch(n: int = 9, epoch: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(0)
    target = torch.eye(4)[torch.randint(4, (n,), generator=generator)]
    return Batch(x=torch.randn(n, 1, 3, 5, generator=generator), target=target, device=("a",) * n, epoch=epoch)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_features_and_targets_are_mixed_with_the_same_shares():
    clips = batch(3)
    made = Mixup(0.4).apply(clips, MixupDraw(np.array([1.0, 0.25, 0.0]), np.array([2, 0, 1])))
    assert torch.equal(made.x[0], clips.x[0])
    assert torch.allclose(made.x[1], 0.25 * clips.x[1] + 0.75 * clips.x[0])
    assert torch.equal(made.x[2], clips.x[1])
    assert torch.allclose(made.target[1], 0.25 * clips.target[1] + 0.75 * clips.target[0])


def test_target_mass_stays_1():
    made = augmented(batch(200), [Mixup(0.4)], rng())
    assert torch.allclose(made.target.sum(1), torch.ones(200), atol=1e-6)
    assert (made.target >= 0).all()


def test_same_draw_twice_makes_the_same_batch():
    part, clips = Mixup(0.4), batch()
    params = part.draw(clips, rng())
    assert torch.equal(part.apply(clips, params).x, part.apply(clips, params).x)


def test_same_seed_makes_the_same_batch_and_another_seed_another():
    one, same, other = (augmented(batch(), [Mixup(0.4)], rng(seed)).x for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_batch_that_came_is_left_as_it_was():
    clips, before = batch(), batch()
    augmented(clips, [Mixup(0.4)], rng())
    assert torch.equal(clips.x, before.x)
    assert torch.equal(clips.target, before.target)


def test_what_is_not_mixed_goes_through():
    clips = replace(batch(), file=tuple("abcdefghi"), epoch=7)
    made = augmented(clips, [Mixup(0.4)], rng())
    assert (made.file, made.device, made.epoch) == (clips.file, clips.device, 7)


@pytest.mark.parametrize("n", [1, 2, 8, 9])
def test_second_half_is_untouched_from_full_epochs_on(n):
    clips = batch(n, epoch=60)
    made = augmented(clips, [Mixup(1.0, full_epochs=60)], rng(3))
    assert torch.equal(made.x[n // 2 :], clips.x[n // 2 :])
    assert torch.equal(made.target[n // 2 :], clips.target[n // 2 :])


@pytest.mark.parametrize(("full_epochs", "epoch"), [(60, 59), (60, 0), (None, 1_000)])
def test_second_half_is_mixed_before_full_epochs_and_without_them(full_epochs, epoch):
    draw = Mixup(1.0, full_epochs).draw(batch(100, epoch), rng())
    assert (draw.own < 1).all()


def test_first_half_goes_on_being_mixed_after_full_epochs():
    draw = Mixup(1.0, 60).draw(batch(100, epoch=60), rng())
    assert (draw.own[:50] < 1).all()


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0, 2.0])
def test_shares_follow_beta(alpha):
    own = Mixup(alpha).draw(batch(10_000), rng(5)).own
    assert stats.kstest(own, stats.beta(alpha, alpha).cdf).pvalue > 0.01
    assert own.mean() == pytest.approx(0.5, abs=0.02)


def test_partners_are_a_permutation_and_uniform():
    part, clips = Mixup(0.4), batch(8)
    generator = rng(6)
    partners = np.stack([part.draw(clips, generator).partner for _ in range(10_000)])
    assert (np.sort(partners, axis=1) == np.arange(8)).all()
    assert stats.chisquare(np.bincount(partners[:, 0], minlength=8)).pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("inf"), float("nan")])
def test_alpha_out_of_range_is_told(alpha):
    with pytest.raises(SettingError, match=f"Mixup.alpha takes a number above 0; {alpha} came"):
        Mixup(alpha)


def test_a_teachers_logits_are_mixed_as_the_clips_are():
    clips = replace(batch(3), teacher=torch.randn(3, 4, dtype=torch.float64))
    made = Mixup(0.4).apply(clips, MixupDraw(np.array([1.0, 0.25, 0.5]), np.array([0, 2, 1])))
    assert made.teacher is not None
    assert made.teacher.dtype == torch.float64
    torch.testing.assert_close(made.teacher[1], 0.25 * clips.teacher[1] + 0.75 * clips.teacher[2])
    assert Mixup(0.4).apply(batch(3), MixupDraw(np.ones(3), np.arange(3))).teacher is None


def test_a_mask_stays_with_its_clip():
    clips = replace(batch(3), mask=torch.rand(3, 1, 3, 5))
    assert augmented(clips, [Mixup(0.4)], rng()).mask is clips.mask


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_one_share_a_batch_follows_the_same_law(alpha):
    draws = [Mixup(alpha, per_batch=True).draw(batch(5), rng(seed)).own for seed in range(2_000)]
    assert all((own == own[0]).all() for own in draws)
    assert stats.kstest([own[0] for own in draws], stats.beta(alpha, alpha).cdf).pvalue > 0.001
