"""TimeShift: a circular shift, uniform up to its share of the clip in either direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment.time_shift import TimeShift, TimeShiftDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


def batch(n: int = 4, n_samples: int = 40) -> Batch:
    return Batch(x=torch.arange(n * n_samples).float().view(n, n_samples), target=torch.zeros(n, 2))


def test_clip_is_rolled_by_its_own_shift():
    clips = batch(4)
    made = TimeShift().apply(clips, TimeShiftDraw(np.array([0, 3, -1, 40]))).x.numpy()
    for row, clip, by in zip(made, clips.x.numpy(), (0, 3, -1, 0), strict=True):
        assert np.array_equal(row, np.concatenate([clip, clip, clip])[40 - by : 80 - by])


def test_whole_clip_begins_anywhere_alike():
    shift = TimeShift().draw(batch(8_000, 1_000), np.random.default_rng(1)).shift
    assert stats.kstest(shift % 1_000 / 1_000, "uniform").pvalue > 0.01


def test_share_bounds_the_shift_in_both_directions():
    shift = TimeShift(0.1).draw(batch(8_000, 1_000), np.random.default_rng(2)).shift
    assert (shift.min(), shift.max()) == (-100, 100)
    assert stats.kstest(shift / 200 + 0.5, "uniform").pvalue > 0.01


def test_p_is_the_share_of_shifted_clips():
    shift = TimeShift(p=0.3).draw(batch(2_000, 10_000), np.random.default_rng(3)).shift
    assert stats.binomtest(int((shift != 0).sum()), 2_000, 0.3).pvalue > 0.01


def test_bad_settings_are_told():
    with pytest.raises(SettingError, match=r"TimeShift.max_share takes 0 to 1; 1.5 came"):
        TimeShift(1.5)
    with pytest.raises(SettingError, match=r"TimeShift.p takes 0 to 1; nan came"):
        TimeShift(p=float("nan"))
