"""ImageShift: scipy.ndimage.shift, which Keras' ImageDataGenerator is built on, and its draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from tinyscene.augment import ImageShift, augmented
from tinyscene.augment.image_shift import ImageShiftDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


def batch(n: int = 4, shape: tuple[int, ...] = (2, 20, 36)) -> Batch:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((n, *shape)))
    return Batch(x=x, target=torch.eye(n))


@pytest.mark.parametrize("frames", [0.0, 3.0, -3.0, 7.25, -20.6, 40.0])
@pytest.mark.parametrize("bands", [0, 2, -2])
def test_it_is_scipys_shift_with_the_nearest_edge(frames, bands):
    clips = batch(2)
    made = ImageShift().apply(clips, ImageShiftDraw(np.array([frames, -frames]), np.array([bands, -bands]))).x
    for clip, result, sign in zip(clips.x.numpy(), made.numpy(), (1, -1), strict=True):
        wanted = ndimage.shift(clip, (0, sign * bands, sign * frames), order=1, mode="nearest")
        np.testing.assert_allclose(result, wanted, atol=1e-5)


def test_frames_are_drawn_evenly_and_bands_from_each_whole_number_below_the_bound():
    drawn = ImageShift(frames=0.6, bands=3).draw(batch(10_000, (1, 1, 36)), np.random.default_rng(0))
    assert stats.kstest(drawn.frames / 36, stats.uniform(-0.6, 1.2).cdf).pvalue > 0.001
    counts = np.unique(drawn.bands, return_counts=True)
    assert counts[0].tolist() == [-2, -1, 0, 1, 2]
    assert stats.chisquare(counts[1]).pvalue > 0.001


def test_no_shift_changes_nothing():
    clips = batch()
    assert torch.equal(augmented(clips, [ImageShift(frames=0, bands=1)], np.random.default_rng(0)).x, clips.x)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"frames": 1.5}, r"\.frames takes 0 to 1"),
        ({"bands": 0}, r"\.bands takes a whole"),
        ({"bands": 2.5}, r"\.bands"),
    ],
)
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=f"ImageShift{words}"):
        ImageShift(**setting)
