"""RandomResponse: a smooth curve a clip, the same in all its frames, even at its nodes, and no louder or softer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import augmented
from tinyscene.augment.random_response import RandomResponse, RandomResponseDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError

RATE = 32_000


def batch(n: int = 4, bins: int = 513, frames: int = 5, rate: int = RATE) -> Batch:
    x = torch.rand(n, bins, frames, generator=torch.Generator().manual_seed(0)) + 0.1
    return Batch(x=x, target=torch.eye(n, 2), sample_rate_hz=rate)


def test_a_clip_keeps_its_power_and_has_one_curve_in_all_frames():
    before = batch()
    after = augmented(before, [RandomResponse(p=1.0)], np.random.default_rng(0)).x
    torch.testing.assert_close(after.sum((1, 2)), before.x.sum((1, 2)))
    gain = after / before.x
    torch.testing.assert_close(gain, gain[:, :, :1].expand_as(gain))
    assert not torch.allclose(gain[0], gain[1])


def test_the_curve_goes_through_its_nodes_an_octave_apart_and_is_level_below_the_first():
    part = RandomResponse(f_min=125.0, octaves=1.0)
    nodes = np.array([[3.0, -5.0, 1.0, 6.0, -2.0, 0.0, 4.0, -7.0]])  # 125 Hz ... 16 kHz
    before = batch(1)
    gain_db = 10 * (part.apply(before, RandomResponseDraw(nodes)).x / before.x)[0, :, 0].log10().numpy()
    hz = np.linspace(0, RATE / 2, 513)
    at = [int(np.flatnonzero(hz == 125.0 * 2**k)[0]) for k in range(8)]
    np.testing.assert_allclose(gain_db[at] - gain_db[at[0]], nodes[0] - nodes[0, 0], atol=1e-3)
    np.testing.assert_allclose(gain_db[: at[0]], gain_db[at[0]], atol=1e-3)
    halfway = np.interp(np.log2(375), np.log2([250, 500]), nodes[0, 1:3])  # a line over octaves
    assert gain_db[int(np.flatnonzero(hz == 375.0)[0])] - gain_db[at[0]] == pytest.approx(halfway - 3.0, abs=1e-3)


@pytest.mark.parametrize(("octaves", "n_nodes"), [(1.0, 8), (0.5, 15), (4.0, 3)])
def test_nodes_reach_half_the_rate_and_are_even(octaves, n_nodes):
    params = RandomResponse(6.0, octaves, 125.0, 1.0).draw(batch(500, 2, 1), np.random.default_rng(2))
    assert params.gain_db.shape == (500, n_nodes)
    assert stats.kstest(params.gain_db.ravel(), stats.uniform(-6, 12).cdf).pvalue > 0.001


def test_the_share_of_clips_that_is_changed_and_silence_stays():
    gain_db = RandomResponse(p=0.3).draw(batch(4_000, 2, 1), np.random.default_rng(3)).gain_db
    assert stats.binomtest(int(gain_db.any(1).sum()), 4_000, 0.3).pvalue > 0.001
    silent = Batch(x=torch.zeros(2, 9, 3), target=torch.eye(2), sample_rate_hz=RATE)
    assert not augmented(silent, [RandomResponse(p=1.0)], np.random.default_rng(0)).x.any()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"depth_db": -1}, r"RandomResponse.depth_db takes 0 to 40; -1 came"),
        ({"octaves": 0}, r"RandomResponse.octaves takes 0.1 to 8; 0 came"),
        ({"f_min": 0}, r"RandomResponse.f_min takes 1 to 20000; 0 came"),
        ({"p": 1.5}, r"RandomResponse.p takes 0 to 1; 1.5 came"),
    ],
)
def test_bad_settings_are_told(settings, told):
    with pytest.raises(SettingError, match=told):
        RandomResponse(**settings)


def test_the_rate_must_be_known():
    with pytest.raises(SettingError, match=r"RandomResponse needs Batch.sample_rate_hz"):
        RandomResponse().draw(batch(rate=0), np.random.default_rng(0))
