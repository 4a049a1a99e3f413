"""BinGains: an even gain for each bin, the same in all frames, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import BinGains, augmented
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


def batch(n: int = 4, bins: int = 300, frames: int = 5) -> Batch:
    x = torch.rand(n, bins, frames, generator=torch.Generator().manual_seed(0)) + 0.1
    return Batch(x=x, target=torch.eye(n))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_bin_has_one_gain_in_all_frames_of_a_clip_and_another_in_the_next_clip():
    before = batch()
    gain = augmented(before, [BinGains(alpha=0.5)], rng()).x / before.x
    torch.testing.assert_close(gain, gain[:, :, :1].expand_as(gain))
    assert not torch.allclose(gain[0], gain[1])
    assert gain.std(1).min() > 0.1


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
def test_gains_are_even_between_one_less_alpha_and_one_more(alpha):
    gains = BinGains(alpha).draw(batch(10, 1_000), rng()).gains
    assert stats.kstest(gains.ravel(), stats.uniform(1 - alpha, 2 * alpha).cdf).pvalue > 0.001


def test_the_share_of_clips_that_is_changed():
    gains = BinGains(p=0.3).draw(batch(4_000, 2), rng()).gains
    changed = int((gains != 1).any(1).sum())
    assert stats.binomtest(changed, 4_000, 0.3).pvalue > 0.001


def test_alpha_0_changes_nothing():
    before = batch()
    assert torch.equal(augmented(before, [BinGains(alpha=0)], rng()).x, before.x)


@pytest.mark.parametrize(("setting", "words"), [({"alpha": 1.5}, "BinGains.alpha"), ({"p": -1}, "BinGains.p")])
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=f"{words} takes 0 to 1"):
        BinGains(**setting)
