"""ImageShift: scipy.ndimage.shift, which Keras' ImageDataGenerator is built on, and its draws."""

from __future__ import annotations

from dataclasses import replace

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
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_it_is_scipys_shift_with_the_nearest_edge(frames, bands, dtype):
    clips = replace(batch(2), x=batch(2).x.to(dtype))
    made = ImageShift().apply(clips, ImageShiftDraw(np.array([frames, -frames]), np.array([bands, -bands]))).x
    assert made.dtype == dtype
    for clip, result, sign in zip(clips.x.numpy(), made.numpy(), (1, -1), strict=True):
        wanted = ndimage.shift(clip, (0, sign * bands, sign * frames), order=1, mode="nearest")
        np.testing.assert_allclose(result, wanted, atol=1e-5)


def test_frames_are_drawn_evenly_and_bands_as_keras_draws_whole_numbers():
    drawn = ImageShift(frames=0.6, bands=3).draw(batch(10_000, (1, 1, 36)), np.random.default_rng(0))
    assert stats.kstest(drawn.frames / 36, stats.uniform(-0.6, 1.2).cdf).pvalue > 0.001
    assert 0.6 * 36 * 0.999 < np.abs(drawn.frames).max() <= 0.6 * 36
    counts = np.unique(drawn.bands, return_counts=True)
    assert counts[0].tolist() == [-2, -1, 0, 1, 2]
    # choice(3) * choice([-1, 1]) in get_random_transform: 0 has two ways to come, the others one each.
    assert stats.chisquare(counts[1], 10_000 * np.array([1, 1, 2, 1, 1]) / 6).pvalue > 0.001
    assert abs(stats.pearsonr(drawn.frames, drawn.bands).statistic) < 0.03


def test_a_mask_of_the_maps_size_moves_along_and_another_stays():
    clips = batch(3)
    part, drawn = ImageShift(), ImageShiftDraw(np.array([2.5, 0.0, -30.0]), np.array([1, -2, 0]))
    made = part.apply(replace(clips, mask=clips.x[:, :1]), drawn)
    assert made.mask is not None
    assert torch.equal(made.mask, made.x[:, :1])
    other = torch.rand(3, 1, 20, 44)
    assert part.apply(replace(clips, mask=other), drawn).mask is other


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
