"""AutoLevel: a percentile stretch, checked against numpy's ranks; twice is once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import AutoLevel, augmented
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


def batch(n: int = 3, seed: int = 0, dtype: torch.dtype = torch.float32) -> Batch:
    x = np.random.default_rng(seed).standard_t(3, (n, 2, 40, 25))  # heavy tails: there is something to cut
    return Batch(x=torch.from_numpy(x).to(dtype), target=torch.eye(n))


def levelled(clips: Batch, **numbers) -> torch.Tensor:
    return augmented(clips, [AutoLevel(**{"p": 1.0} | numbers)], np.random.default_rng(0)).x


@pytest.mark.parametrize("cut", [0.005, 0.1])
def test_it_is_the_line_that_takes_the_cut_ranks_to_the_full_range(cut):
    clips = batch(dtype=torch.float64)
    after = levelled(clips, cut=cut).numpy()
    for before, made in zip(clips.x.numpy().reshape(6, -1), after.reshape(6, -1), strict=True):
        ranked = np.sort(before)
        low, high = ranked[int(cut * 1_000)], ranked[999 - int(cut * 1_000)]
        line = ranked[0] + (before - low) / (high - low) * (ranked[-1] - ranked[0])
        np.testing.assert_allclose(made, np.clip(line, ranked[0], ranked[-1]), atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(5))
def test_twice_is_once(dtype, seed):
    once = levelled(batch(seed=seed, dtype=dtype))
    twice = levelled(Batch(x=once, target=torch.eye(3)))
    assert torch.equal(once, twice)


def test_the_range_stays_and_the_contrast_grows():
    clips = batch()
    after = levelled(clips)
    assert torch.equal(after.amin((2, 3)), clips.x.amin((2, 3)))
    assert torch.equal(after.amax((2, 3)), clips.x.amax((2, 3)))
    assert (after.std((2, 3)) > clips.x.std((2, 3))).all()


def test_the_order_of_cells_stays():
    clips = batch(1)
    before, after = clips.x[0, 0].flatten(), levelled(clips)[0, 0].flatten()
    assert (after[before.argsort()].diff() >= 0).all()


@pytest.mark.parametrize("value", [0.0, -7.5])
def test_a_constant_map_stays(value):
    flat = Batch(x=torch.full((2, 1, 8, 9), value), target=torch.eye(2))
    assert torch.equal(levelled(flat), flat.x)


def test_a_clip_hears_nothing_of_the_others():
    clips = batch()
    alone = Batch(x=clips.x[1:2], target=clips.target[1:2])
    assert torch.equal(levelled(alone)[0], levelled(clips)[1])


def test_the_share_of_clips_that_is_stretched():
    drawn = AutoLevel(p=0.3).draw(batch(5_000), np.random.default_rng(0)).chosen
    assert stats.binomtest(int(drawn.sum()), 5_000, 0.3).pvalue > 0.001
    clips = batch(20)
    changed = (levelled(clips, p=0.5) != clips.x).flatten(1).any(1)
    assert 0 < changed.sum() < 20


@pytest.mark.parametrize(
    ("setting", "words"), [({"cut": 0.5}, r"\.cut takes 0 up to"), ({"p": 2}, r"\.p takes 0 to 1")]
)
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=f"AutoLevel{words}"):
        AutoLevel(**setting)
