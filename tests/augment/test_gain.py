"""Gain: uniform in dB, clip by clip, nothing clipped."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment.gain import Gain, GainDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


def batch(n: int = 4, n_samples: int = 50) -> Batch:
    return Batch(x=torch.randn(n, n_samples, generator=torch.Generator().manual_seed(0)), target=torch.zeros(n, 2))


def test_decibels_are_of_amplitude_and_nothing_is_clipped():
    clips = batch(3)
    made = Gain().apply(clips, GainDraw(np.array([0.0, 20.0, -6.0206]))).x
    assert torch.equal(made[0], clips.x[0])
    torch.testing.assert_close(made[1], 10 * clips.x[1])
    torch.testing.assert_close(made[2], clips.x[2] / 2, atol=1e-5, rtol=1e-5)
    assert made.abs().max() > 1


def test_gains_are_uniform_on_the_range():
    gain_db = Gain(-3, 9).draw(batch(8_000, 1), np.random.default_rng(1)).gain_db
    assert stats.kstest(gain_db, stats.uniform(-3, 12).cdf).pvalue > 0.01


def test_p_is_the_share_of_changed_clips():
    gain_db = Gain(p=0.2).draw(batch(8_000, 1), np.random.default_rng(2)).gain_db
    assert stats.binomtest(int((gain_db != 0).sum()), 8_000, 0.2).pvalue > 0.01


def test_bad_settings_are_told():
    for numbers, message in (
        ({"low_db": 7}, r"Gain.high_db takes 7 to 100; 6.0 came"),
        ({"low_db": -101}, r"Gain.low_db takes -100 to 100; -101 came"),
        ({"p": 1.1}, r"Gain.p takes 0 to 1; 1.1 came"),
    ):
        with pytest.raises(SettingError, match=message):
            Gain(**numbers)
