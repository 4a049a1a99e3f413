"""RandomCrop: samples or frames in a row, every start alike, a mask cropped with its clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment.random_crop import RandomCrop
from tinyscene.batch import Batch
from tinyscene.errors import SettingError

SHAPES = pytest.mark.parametrize("shape", [(30,), (5, 30), (2, 5, 30)], ids=["wave", "spectrum", "features"])


def batch(n: int, shape: tuple[int, ...], mask: torch.Tensor | None = None) -> Batch:
    x = torch.arange(n * int(np.prod(shape))).float().view(n, *shape)
    return Batch(x=x, target=torch.zeros(n, 2), mask=mask)


@SHAPES
def test_window_is_in_a_row_and_the_clip_s_own(shape):
    clips, part = batch(50, shape), RandomCrop(7)
    params = part.draw(clips, np.random.default_rng(0))
    made = part.apply(clips, params).x
    assert made.shape == (50, *shape[:-1], 7)
    for clip, window, start in zip(clips.x, made, params.start, strict=True):
        assert torch.equal(window, clip[..., start : start + 7])
    assert len(set(params.start.tolist())) > 10


def test_every_start_is_drawn_alike_first_and_last_too():
    start = RandomCrop(26).draw(batch(8_000, (30,)), np.random.default_rng(1)).start
    counts = np.bincount(start)
    assert len(counts) == 5
    assert stats.chisquare(counts).pvalue > 0.01


@SHAPES
def test_none_and_the_whole_length_keep_the_clips(shape):
    clips = batch(4, shape)
    for part in (RandomCrop(), RandomCrop(30)):
        assert torch.equal(part.apply(clips, part.draw(clips, np.random.default_rng(0))).x, clips.x)


def test_mask_is_cropped_with_its_clip():
    clips = batch(6, (1, 5, 30), torch.zeros(6, 1, 5, 30))
    clips = Batch(x=clips.x, target=clips.target, mask=clips.x / 900)
    made = RandomCrop(4).apply(clips, RandomCrop(4).draw(clips, np.random.default_rng(0)))
    assert made.mask is not None
    assert torch.equal(made.mask, made.x / 900)


def test_bad_lengths_are_told():
    with pytest.raises(SettingError, match=r"RandomCrop.length takes 1 or more; 0 came"):
        RandomCrop(0)
    for shape, unit in (((30,), "samples"), ((1, 5, 30), "frames")):
        with pytest.raises(SettingError, match=f"RandomCrop.length takes up to the 30 {unit} of the clips .* 31 came"):
            RandomCrop(31).draw(batch(2, shape), np.random.default_rng(0))
