"""NoiseMask: powers add up, the ratio is the one drawn, and the mask says what was clean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import NoiseMask, augmented
from tinyscene.batch import Batch
from tinyscene.errors import SettingError

POWER = {"ln": np.exp, "log10": lambda x: 10**x, "db": lambda x: 10 ** (x / 10)}
LOG = {"ln": np.log, "log10": np.log10, "db": lambda x: 10 * np.log10(x)}


def batch(n: int = 4, log: str = "log10") -> Batch:
    power = np.random.default_rng(0).gamma(0.5, 1e-4, (n, 1, 20, 15)) + 1e-9
    return Batch(x=torch.from_numpy(LOG[log](power)), target=torch.eye(n))


@pytest.mark.parametrize("log", POWER)
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)], ids=str)
def test_mask_times_noisy_power_is_the_clean_power(log, dtype, rtol):
    clips = batch(log=log)
    clips = replace(clips, x=clips.x.to(dtype))
    made = augmented(clips, [NoiseMask(log=log, p=1.0)], np.random.default_rng(0))
    assert made.mask is not None
    assert (made.mask.shape, made.mask.dtype) == ((4, 1, 20, 15), dtype)
    clean, noisy = (POWER[log](x.double().numpy()) for x in (clips.x, made.x))
    np.testing.assert_allclose(made.mask.numpy() * noisy, clean, rtol=rtol)
    assert made.mask.min() >= 0
    assert made.mask.max() <= 1


@pytest.mark.parametrize("log", POWER)
def test_the_ratio_of_mean_powers_is_the_one_drawn_for_each_clip(log):
    clips, part = batch(8, log), NoiseMask(-5, 25, log=log, p=1.0)
    drawn = part.draw(clips, np.random.default_rng(0))
    clean, noisy = (POWER[log](x.numpy()) for x in (clips.x, part.apply(clips, drawn).x))
    ratio_db = 10 * np.log10(clean.mean((1, 2, 3)) / (noisy - clean).mean((1, 2, 3)))
    np.testing.assert_allclose(ratio_db, drawn.snr_db, atol=1e-6)


@pytest.mark.parametrize("level", [-300.0, 0.0, 300.0])
def test_silence_and_thunder_stay_finite(level):
    clips = Batch(x=torch.full((3, 1, 6, 1), level), target=torch.eye(3))
    made = augmented(clips, [NoiseMask(p=1.0)], np.random.default_rng(0))
    assert made.mask is not None
    assert made.x.isfinite().all()
    assert made.mask.isfinite().all()


def test_noise_has_the_power_of_a_gaussian_and_the_ratio_is_even():
    drawn = NoiseMask(0, 20, p=1.0).draw(batch(3_000), np.random.default_rng(0))
    assert stats.kstest(drawn.snr_db, stats.uniform(0, 20).cdf).pvalue > 0.001
    assert stats.kstest(drawn.noise[:20].ravel(), stats.expon.cdf).pvalue > 0.001


def test_clips_that_get_none_are_clean():
    clips = batch(1_000)
    made = augmented(clips, [NoiseMask(p=0.3)], np.random.default_rng(0))
    changed = (made.x != clips.x).flatten(1).any(1)
    assert stats.binomtest(int(changed.sum()), 1_000, 0.3).pvalue > 0.001
    assert made.mask is not None
    assert (made.mask[~changed] == 1).all()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"low_snr_db": -101}, r"NoiseMask\.low_snr_db takes -100 to 100; -101 came"),
        ({"low_snr_db": 5, "high_snr_db": 0}, r"NoiseMask\.high_snr_db takes 5 to 100; 0 came"),
        ({"log": "log2"}, "NoiseMask has no log 'log2'"),
        ({"p": 3}, r"NoiseMask\.p takes 0 to 1"),
    ],
)
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=words):
        NoiseMask(**setting)
