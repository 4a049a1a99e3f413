"""StandardisedDeltas in torch: closed forms of its statistics, silence, bad settings."""

from __future__ import annotations

import pytest
import torch

from tinyscene.dsp import deltas
from tinyscene.errors import SettingError
from tinyscene.frontends import StandardisedDeltas

BANDS = 3 + 2 * torch.randn(3, 1, 16, 20, generator=torch.Generator().manual_seed(0))


def test_each_map_of_each_clip_has_mean_0_and_deviation_1():
    made = StandardisedDeltas()(BANDS)
    assert made.shape == (3, 2, 16, 20)
    assert torch.allclose(made.mean((2, 3)), torch.zeros(3, 2), atol=1e-6)
    assert torch.allclose(made.std((2, 3), correction=0), torch.ones(3, 2), atol=1e-5)


def test_level_is_the_map_less_its_mean_over_its_deviation():
    """Closed form: cells at c - s and c + s become -1 and +1."""
    cells = torch.tensor([5.0 - 0.5, 5.0 + 0.5]).repeat(40).reshape(1, 1, 8, 10)
    made = StandardisedDeltas()(cells)
    assert torch.allclose(made[0, 0], torch.tensor([-1.0, 1.0]).repeat(40).reshape(8, 10))


def test_second_map_is_the_standardised_slope_of_the_first():
    made = StandardisedDeltas(win_length=3)(BANDS)
    slope = deltas(made[:, :1], 3)
    expected = (slope - slope.mean((2, 3), keepdim=True)) / slope.std((2, 3), correction=0, keepdim=True)
    assert torch.allclose(made[:, 1:], expected, atol=1e-5)


def test_gain_and_offset_of_the_map_change_nothing():
    assert torch.allclose(StandardisedDeltas()(7 * BANDS - 4), StandardisedDeltas()(BANDS), atol=1e-4)


@pytest.mark.parametrize("level", [-10.0, 0.0, 3.3, -23.02585, -7.123456])
def test_a_constant_map_becomes_0(level):
    assert StandardisedDeltas()(torch.full((2, 1, 256, 44), level)).abs().max() < 1e-5


def test_a_deviation_below_the_floor_is_divided_by_the_floor():
    cells = torch.tensor([-1e-4, 1e-4]).repeat(40).reshape(1, 1, 8, 10)
    assert torch.allclose(StandardisedDeltas(floor=1e-3)(cells)[0, 0].abs(), torch.tensor(0.1), rtol=1e-4)


def test_gradients_of_silence_are_finite():
    silence = torch.zeros(1, 1, 4, 6, requires_grad=True)
    StandardisedDeltas()(silence).square().sum().backward()
    assert silence.grad is not None
    assert silence.grad.isfinite().all()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"win_length": 4}, "StandardisedDeltas.win_length takes an odd number of frames from 3; 4 came."),
        ({"win_length": 1}, "StandardisedDeltas.win_length takes an odd number of frames from 3; 1 came."),
        ({"floor": 0.0}, "StandardisedDeltas.floor takes a deviation above 0; 0.0 came."),
    ],
)
def test_a_setting_out_of_range_is_told_by_its_name(changes, text):
    with pytest.raises(SettingError) as caught:
        StandardisedDeltas(**changes)
    assert str(caught.value) == text
