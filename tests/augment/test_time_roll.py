"""TimeRoll: torch.roll of each clip, by a rounded normal draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import TimeRoll
from tinyscene.augment.time_roll import TimeRollDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


@pytest.mark.parametrize("shape", [(2, 6, 11), (9, 11)], ids=["maps", "spectra"])
def test_each_clip_is_rolled_by_its_own_draw(shape):
    x = torch.randn(5, *shape)
    by = [0, 1, -1, 30, -11]
    made = TimeRoll().apply(Batch(x=x, target=torch.eye(5)), TimeRollDraw(np.array(by))).x
    for clip, result, frames in zip(x, made, by, strict=True):
        assert torch.equal(result, clip.roll(frames, -1))


def test_a_mask_in_frames_is_rolled_alike_and_another_stays():
    x, drawn = torch.randn(3, 2, 6, 11), TimeRollDraw(np.array([1, -4, 15]))
    made = TimeRoll().apply(Batch(x=x, target=torch.eye(3), mask=x[:, :1]), drawn)
    assert made.mask is not None
    assert torch.equal(made.mask, made.x[:, :1])
    other = torch.rand(3, 1, 6, 19)
    assert TimeRoll().apply(Batch(x=x, target=torch.eye(3), mask=other), drawn).mask is other


@pytest.mark.parametrize("deviation", [2.0, 10.0])
def test_draws_are_rounded_normal_with_that_deviation_in_frames(deviation):
    drawn = TimeRoll(deviation).draw(
        Batch(x=torch.zeros(10_000, 1, 1, 4), target=torch.eye(1)), np.random.default_rng(0)
    )
    edges = np.arange(-1.5, 2) * deviation
    edges = np.floor(edges) + 0.5
    law = stats.norm(0, deviation)
    expected = np.diff(np.concatenate([[0], law.cdf(edges), [1]])) * 10_000
    counts = np.histogram(drawn.frames, np.concatenate([[-np.inf], edges, [np.inf]]))[0]
    assert stats.chisquare(counts, expected).pvalue > 0.001
    assert drawn.frames.dtype == np.int64


def test_bad_deviation_is_refused():
    with pytest.raises(SettingError, match=r"TimeRoll\.deviation takes 0 or more; -1 came"):
        TimeRoll(-1)
