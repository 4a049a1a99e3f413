"""DoubledTimeCrop: a window of the tiled map; with its own length, a roll by any number of frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import DoubledTimeCrop, augmented
from tinyscene.augment.doubled_time_crop import DoubledTimeCropDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


def batch(n: int = 4, frames: int = 36) -> Batch:
    return Batch(x=torch.randn(n, 3, 5, frames, generator=torch.Generator().manual_seed(0)), target=torch.eye(n))


@pytest.mark.parametrize("n_frames", [1, 20, 36, 50, 72])
def test_it_is_a_window_of_the_map_set_twice(n_frames):
    clips = batch()
    start = np.array([0, 1, 5, 72 - n_frames]).clip(0, 72 - n_frames)
    made = DoubledTimeCrop(n_frames).apply(clips, DoubledTimeCropDraw(start, n_frames)).x
    twice = torch.cat([clips.x, clips.x], -1)
    for i, first in enumerate(start):
        assert torch.equal(made[i], twice[i, :, :, first : first + n_frames])


def test_with_its_own_length_it_is_a_roll():
    clips = batch()
    params = DoubledTimeCrop().draw(clips, np.random.default_rng(0))
    made = DoubledTimeCrop().apply(clips, params).x
    for clip, result, start in zip(clips.x, made, params.start.tolist(), strict=True):
        assert torch.equal(result, clip.roll(-start, -1))


@pytest.mark.parametrize("n_frames", [None, 50])
def test_a_mask_in_frames_is_cropped_alike_and_another_stays(n_frames):
    clips, part = batch(), DoubledTimeCrop(n_frames)
    drawn = part.draw(clips, np.random.default_rng(0))
    made = part.apply(replace(clips, mask=clips.x[:, :1]), drawn)
    assert made.mask is not None
    assert torch.equal(made.mask, made.x[:, :1])
    other = torch.rand(4, 1, 5, 44)
    assert part.apply(replace(clips, mask=other), drawn).mask is other


@pytest.mark.parametrize(("n_frames", "places"), [(None, 37), (50, 23), (72, 1)])
def test_every_window_is_drawn_as_often(n_frames, places):
    drawn = DoubledTimeCrop(n_frames).draw(batch(10_000), np.random.default_rng(0)).start
    counts = np.bincount(drawn, minlength=places)
    assert len(counts) == places
    assert stats.chisquare(counts).pvalue > 0.001 or places == 1


def test_settings_that_do_not_fit_name_the_field():
    with pytest.raises(SettingError, match=r"DoubledTimeCrop\.n_frames takes 1 or more, or None; 0 came"):
        DoubledTimeCrop(0)
    with pytest.raises(SettingError, match=r"n_frames takes at most 72, twice the 36 frames that came; 73 came"):
        augmented(batch(), [DoubledTimeCrop(73)], np.random.default_rng(0))
