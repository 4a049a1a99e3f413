"""BandGains: the gain that LogMel would have made of a louder waveform, a smooth curve, silence that stays silence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import BandGains, augmented
from tinyscene.augment.band_gains import BandGainsDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError
from tinyscene.frontends import LogMel


def batch(n: int = 4, value: float = -3.0) -> Batch:
    return Batch(x=torch.full((n, 1, 24, 5), value), target=torch.eye(n))


@pytest.mark.parametrize("log", ["log10", "ln", "db"])
def test_a_gain_is_that_of_a_louder_waveform(log):
    front_end = LogMel(8_000, 256, 256, 128, 24, 50.0, 4_000.0, log=log, floor=1e-12)
    wave = torch.randn(2, 4_000, generator=torch.Generator().manual_seed(0)) * 0.1
    before = Batch(x=front_end(wave), target=torch.eye(2))
    six_db = BandGainsDraw(np.full((2, 3), 20 * np.log10(2.0)))
    after = BandGains(nodes=3, log=log, floor=1e-12).apply(before, six_db).x
    torch.testing.assert_close(after, front_end(2 * wave), rtol=0, atol=1e-4)


def test_the_curve_is_linear_between_its_nodes_and_the_same_in_all_frames():
    drawn = BandGainsDraw(np.array([[0.0, 10.0, -10.0]]))
    x = torch.zeros(1, 1, 5, 3)
    after = BandGains(nodes=3).apply(Batch(x=x, target=torch.eye(1)), drawn).x
    assert after[0, 0, :, 0].tolist() == pytest.approx([0.0, 0.5, 1.0, 0.0, -1.0])  # log10: 10 dB are 1
    assert torch.equal(after, after[..., :1].expand_as(after))


def test_what_falls_below_the_floor_is_silence_and_silence_made_louder_by_no_one_is_heard():
    softer = BandGains(floor=1e-4, nodes=2).apply(batch(1, -3.5), BandGainsDraw(np.full((1, 2), -30.0)))
    assert softer.x.unique().tolist() == [-4.0]


def test_gains_are_even_within_their_ranges():
    drawn = BandGains(gain_db=10, curve_db=0, nodes=2).draw(batch(4_000), np.random.default_rng(0)).curve_db
    assert np.array_equal(drawn[:, 0], drawn[:, 1])
    assert stats.kstest(drawn[:, 0], stats.uniform(-10, 20).cdf).pvalue > 0.001
    drawn = BandGains(gain_db=0, curve_db=4, nodes=3).draw(batch(2_000), np.random.default_rng(1)).curve_db
    assert stats.kstest(drawn.ravel(), stats.uniform(-4, 8).cdf).pvalue > 0.001


def test_the_share_of_clips_that_is_changed():
    drawn = BandGains(p=0.3).draw(batch(4_000), np.random.default_rng(0)).curve_db
    assert stats.binomtest(int(drawn.any(1).sum()), 4_000, 0.3).pvalue > 0.001
    assert torch.equal(augmented(batch(), [BandGains(p=0)], np.random.default_rng(0)).x, batch().x)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"gain_db": -1}, "BandGains.gain_db takes 0 to 60"),
        ({"curve_db": 61}, "BandGains.curve_db takes 0 to 60"),
        ({"nodes": 1}, "BandGains.nodes takes 2"),
        ({"p": 2}, "BandGains.p takes 0 to 1"),
        ({"log": "log2"}, "BandGains.log takes log10, ln, db; 'log2' came"),
        ({"floor": 0}, "BandGains.floor takes a power above 0; 0 came"),
    ],
)
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=words):
        BandGains(**setting)
