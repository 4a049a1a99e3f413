"""Speed: tempo and pitch move together by the factor drawn, what is cut, what fills, and the reach."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment.speed import Speed, SpeedDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError

RATE = 16_000


def batch(n: int = 3, n_samples: int = RATE) -> Batch:
    x = 0.1 * torch.randn(n, n_samples, generator=torch.Generator().manual_seed(0))
    return Batch(x=x, target=torch.zeros(n, 2), sample_rate_hz=RATE)


def loudest_hz(waveform: torch.Tensor) -> float:
    power = torch.fft.rfft(waveform * torch.hann_window(len(waveform))).abs()
    return float(power.argmax()) * RATE / len(waveform)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_a_tone_moves_by_the_factor_and_an_event_comes_earlier(factor):
    at = torch.arange(RATE) / RATE
    tone = torch.sin(2 * torch.pi * 1_000 * at)
    click = torch.zeros(RATE)
    click[8_000] = 1.0
    clips = Batch(x=torch.stack([tone, click]), target=torch.zeros(2, 2), sample_rate_hz=RATE)
    made = Speed().apply(clips, SpeedDraw(np.full(2, factor))).x
    assert made.shape == clips.x.shape
    assert loudest_hz(made[0, : int(RATE / 1.25)]) == pytest.approx(1_000 * factor, abs=2)
    assert int(made[1].argmax()) == pytest.approx(8_000 / factor, abs=1)


def test_a_slower_clip_is_cut_and_a_faster_one_repeated():
    clips = batch(2)
    made = Speed().apply(clips, SpeedDraw(np.array([0.5, 2.0]))).x
    assert torch.equal(made[1, :8_000], made[1, 8_000:])
    # At half speed the first half of the clip fills it: what comes later plays no part.
    other = clips.x.clone()
    other[0, 9_000:] = 0
    again = Speed().apply(Batch(x=other, target=clips.target, sample_rate_hz=RATE), SpeedDraw(np.array([0.5, 2.0]))).x
    torch.testing.assert_close(again[0, :15_500], made[0, :15_500], atol=1e-4, rtol=0)


def test_the_reach_is_enough_that_none_is_filled():
    part = Speed(0.8, 1.25)
    assert part.reach == 1.25
    assert Speed(0.6, 0.9).reach == 1.0
    clips = batch(8, round(1.25 * 4_000))
    params = part.draw(clips, np.random.default_rng(0))
    made = part.apply(clips, params).x[:, :4_000]
    quiet = clips.x.clone()
    quiet[:, :100] = 0  # the beginning, which would come again
    again = part.apply(Batch(x=quiet, target=clips.target, sample_rate_hz=RATE), params).x[:, :4_000]
    torch.testing.assert_close(again[:, 600:], made[:, 600:], atol=1e-4, rtol=0)


def test_the_logarithm_of_the_factor_is_even_and_p_says_how_many():
    factor = Speed(0.8, 1.25, p=0.4).draw(batch(8_000, 1), np.random.default_rng(1)).factor
    changed = factor[factor != 1]
    assert stats.binomtest(len(changed), len(factor), 0.4).pvalue > 0.01
    width = np.log(1.25) - np.log(0.8)
    assert stats.kstest(np.log(changed), stats.uniform(np.log(0.8), width).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"slowest": 0.4}, r"Speed.slowest takes 0.5 to 2; 0.4 came"),
        ({"fastest": 3.0}, r"Speed.fastest takes 0.5 to 2; 3.0 came"),
        ({"slowest": 1.3}, r"Speed.slowest takes at most Speed.fastest, 1.25; 1.3 came"),
        ({"p": 2}, r"Speed.p takes 0 to 1; 2 came"),
    ],
)
def test_bad_settings_are_told(settings, told):
    with pytest.raises(SettingError, match=told):
        Speed(**settings)
