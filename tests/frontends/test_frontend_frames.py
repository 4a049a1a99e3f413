"""Doubled and Crop: which frame of the input lies at which place of the output."""

from __future__ import annotations

import re

import pytest
import torch

from tinyscene.errors import SettingError
from tinyscene.frontends import Crop, Doubled
from tinyscene.runtime.front_end import FINISH

NUMBERED = torch.arange(36.0).expand(2, 3, 4, 36)  # each frame holds its number


@pytest.mark.parametrize("times", [1, 2, 3])
def test_frames_come_again_in_order(times):
    made = Doubled(times)(NUMBERED)
    assert made.shape == (2, 3, 4, 36 * times)
    assert torch.equal(made, (torch.arange(36.0 * times) % 36).expand_as(made))


@pytest.mark.parametrize("start", [0, 1, 17, 36])
def test_a_crop_of_a_doubled_map_is_a_circular_shift(start):
    """Why report 000 doubles: any 36 of the 72 frames hold every frame of the clip once."""
    made = Crop(36, start)(Doubled()(NUMBERED))
    assert torch.equal(made, NUMBERED.roll(-start, dims=-1))


def test_report_000_tests_on_the_first_frames():
    assert torch.equal(Crop(36)(Doubled()(NUMBERED)), NUMBERED)


@pytest.mark.parametrize(("n_frames", "start"), [(1, 0), (36, 0), (5, 31), (1, 35)])
def test_a_crop_is_its_frames(n_frames, start):
    assert Crop(n_frames, start)(NUMBERED)[1, 2, 3].tolist() == list(range(start, start + n_frames))


@pytest.mark.parametrize(("n_frames", "start", "most"), [(37, 0, 36), (36, 1, 35), (1, 36, 0), (1, 50, 0)])
def test_a_crop_beyond_the_end_is_told(n_frames, start, most):
    text = (
        f"Crop.n_frames takes up to {most} of a map's 36 frames (from Crop.start {start}); {n_frames} came. "
        "Lower it or lengthen task.window_s."
    )
    with pytest.raises(SettingError, match=f"^{re.escape(text)}$"):
        Crop(n_frames, start)(NUMBERED)
    with pytest.raises(SettingError, match=f"^{re.escape(text)}$"):
        FINISH["Crop"](n_frames, start)(NUMBERED.numpy())


@pytest.mark.parametrize(
    ("part", "numbers", "text"),
    [
        (Doubled, (0,), "Doubled.times takes 1 or more; 0 came."),
        (Crop, (0,), "Crop.n_frames takes 1 or more; 0 came."),
        (Crop, (4, -1), "Crop.start takes 0 or more; -1 came."),
    ],
)
def test_a_setting_out_of_range_is_told_by_its_name(part, numbers, text):
    for kind in (part, FINISH[part.__name__]):
        with pytest.raises(SettingError) as caught:
            kind(*numbers)
        assert str(caught.value) == text
