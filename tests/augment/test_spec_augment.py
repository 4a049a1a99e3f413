"""SpecAugment: widths and places of the stripes, their fill, clips of their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import SpecAugment, augmented
from tinyscene.augment.spec_augment import SpecAugmentDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


def batch(n: int = 4, n_bands: int = 12, n_frames: int = 10) -> Batch:
    x = 1 + torch.rand(n, 2, n_bands, n_frames, generator=torch.Generator().manual_seed(0))  # never 0
    return Batch(x=x, target=torch.eye(n))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_stripes_are_filled_where_they_were_drawn_and_nowhere_else():
    clips = batch(1)
    empty = np.zeros((1, 1), dtype=int)
    draw = SpecAugmentDraw(np.array([[3]]), np.array([[2]]), np.array([[9]]), np.array([[1]]))
    made = SpecAugment(fill=-7.0).apply(clips, draw).x
    masked = torch.zeros(12, 10, dtype=torch.bool)
    masked[3:5] = True
    masked[:, 9] = True
    assert (made[0, :, masked] == -7.0).all()
    assert torch.equal(made[0, :, ~masked], clips.x[0, :, ~masked])
    assert torch.equal(SpecAugment().apply(clips, SpecAugmentDraw(empty, empty, empty, empty)).x, clips.x)


@pytest.mark.parametrize("axis", ["band", "frame"])
def test_widths_are_uniform_on_0_to_the_widest_both_included(axis):
    draw = SpecAugment(band_width=3, frame_width=3).draw(batch(5_000), rng(1))
    width = getattr(draw, f"{axis}_width")
    assert width.shape == (5_000, 2)
    counts = np.bincount(width.ravel())
    assert len(counts) == 4
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize(("axis", "size"), [("band", 12), ("frame", 10)])
def test_places_are_uniform_over_those_where_the_stripe_fits(axis, size):
    draw = SpecAugment(band_width=3, frame_width=3).draw(batch(10_000), rng(2))
    start, width = getattr(draw, f"{axis}_start").ravel(), getattr(draw, f"{axis}_width").ravel()
    for w in range(4):
        counts = np.bincount(start[width == w])
        assert len(counts) == size - w + 1  # the last place touches the end
        assert stats.chisquare(counts).pvalue > 0.01


def test_every_clip_has_stripes_of_its_own_the_same_in_all_its_channels():
    made = augmented(batch(32), [SpecAugment(band_width=6, frame_width=0)], rng()).x
    masked = made == 0
    assert torch.equal(masked[:, 0], masked[:, 1])
    assert len({tuple(row.tolist()) for row in masked[:, 0, :, 0]}) > 10


@pytest.mark.parametrize(
    "part",
    [SpecAugment(band_width=0, frame_width=0), SpecAugment(band_masks=0, frame_masks=0)],
    ids=["no width", "no masks"],
)
def test_zero_widths_and_zero_masks_change_nothing(part):
    clips = batch()
    assert torch.equal(augmented(clips, [part], rng()).x, clips.x)


def test_a_stripe_wider_than_the_map_is_held_to_it():
    draw = SpecAugment(band_width=100, frame_width=100).draw(batch(2_000), rng())
    assert draw.band_width.max() == 12
    assert (draw.band_start + draw.band_width).max() == 12
    assert draw.frame_width.max() == 10


def test_one_band_and_one_frame_stay_finite():
    made = augmented(batch(16, 1, 1), [SpecAugment()], rng()).x
    assert made.shape == (16, 2, 1, 1)
    assert made.isfinite().all()


def test_same_seed_makes_the_same_batch_and_the_one_that_came_is_left_as_it_was():
    clips, part = batch(), SpecAugment(band_width=5, frame_width=5)
    assert torch.equal(augmented(clips, [part], rng(3)).x, augmented(clips, [part], rng(3)).x)
    assert not torch.equal(augmented(clips, [part], rng(3)).x, augmented(clips, [part], rng(4)).x)
    assert torch.equal(clips.x, batch().x)


@pytest.mark.parametrize("name", ["band_masks", "band_width", "frame_masks", "frame_width"])
def test_a_setting_below_0_is_told_by_its_name(name):
    with pytest.raises(SettingError, match=f"SpecAugment.{name} takes 0 or more; -1 came"):
        SpecAugment(**{name: -1})


# What each report asks for: masks and the widths they may have, along bands and frames.
REPORTS = {
    "000": (SpecAugment(band_masks=2, band_width=19, frame_masks=1, frame_width=2), (2, range(20)), (1, range(3))),
    "001": (SpecAugment(band_masks=2, band_width=2, frame_masks=2, frame_width=2), (2, range(3)), (2, range(3))),
}


@pytest.mark.parametrize("report", REPORTS)
def test_each_report_has_its_counts_widths_and_places(report):
    part, *wanted = REPORTS[report]
    drawn = part.draw(batch(10_000, 40, 36), rng(3))
    for axis, (masks, widths) in zip(("band", "frame"), wanted, strict=True):
        width = getattr(drawn, f"{axis}_width")
        assert width.shape == (10_000, masks)
        counts = np.bincount(width.ravel(), minlength=len(widths))
        assert len(counts) == len(widths)
        assert stats.chisquare(counts).pvalue > 0.001
        start, size = getattr(drawn, f"{axis}_start"), {"band": 40, "frame": 36}[axis]
        pvalues = [stats.chisquare(np.bincount(start[width == w], minlength=size - w + 1)).pvalue for w in widths]
        assert min(pvalues) > 0.001 / len(pvalues)
        assert (start + width).max() == size


def test_the_mean_of_the_clips_channel_may_fill_the_stripes():
    clips = batch(3)
    made = SpecAugment(fill="mean", band_width=6).apply(clips, draw := SpecAugment(band_width=6).draw(clips, rng(1)))
    masked = SpecAugment(fill=-7.0).apply(clips, draw).x == -7.0
    assert masked.any()
    mean = clips.x.mean((2, 3), keepdim=True).expand(clips.x.shape)
    torch.testing.assert_close(made.x[masked], mean[masked])
    assert torch.equal(made.x[~masked], clips.x[~masked])


def test_another_word_for_the_fill_is_refused():
    with pytest.raises(SettingError, match=r"SpecAugment\.fill takes a number or 'mean'; 'median' came"):
        SpecAugment(fill="median")
