"""Standardising and deltas against closed forms and a plain re-statement of torchaudio's ComputeDeltas."""

from __future__ import annotations

import numpy as np
import pytest

from tinyscene.errors import SettingError
from tinyscene.runtime import StandardisedDeltas
from tinyscene.runtime.deltas import deltas

MAPS = np.random.default_rng(0).normal(-4.0, 1.5, (3, 1, 32, 44)).astype(np.float32)


def torch_deltas(x: np.ndarray, win_length: int) -> np.ndarray:
    """torchaudio.functional.compute_deltas: a depthwise convolution with -n..n after repeating the edges."""
    torch = pytest.importorskip("torch")
    n = (win_length - 1) // 2
    rows = torch.from_numpy(x.reshape(1, -1, x.shape[-1]))
    kernel = torch.arange(-n, n + 1, 1, dtype=rows.dtype).repeat(rows.shape[1], 1, 1)
    padded = torch.nn.functional.pad(rows, (n, n), mode="replicate")
    slope = torch.nn.functional.conv1d(padded, kernel, groups=rows.shape[1]) / (n * (n + 1) * (2 * n + 1) / 3)
    return slope.reshape(x.shape).numpy()


@pytest.mark.parametrize("win_length", [3, 5, 9])
def test_delta_of_a_ramp_is_its_slope(win_length):
    ramp = np.broadcast_to(0.25 * np.arange(20, dtype=np.float32), (1, 1, 4, 20))
    inside = slice(win_length // 2, -(win_length // 2))
    assert np.allclose(deltas(ramp, win_length)[..., inside], 0.25, atol=1e-6)


@pytest.mark.parametrize("win_length", [3, 5, 9])
def test_deltas_equal_torchaudios_formula(win_length):
    assert np.abs(deltas(MAPS, win_length) - torch_deltas(MAPS, win_length)).max() < 1e-6


@pytest.mark.parametrize("win_length", [3, 5, 9])
def test_valid_edges_are_the_frames_that_no_padding_reached(win_length):
    reach = win_length // 2
    assert np.array_equal(deltas(MAPS, win_length, "valid"), deltas(MAPS, win_length)[..., reach:-reach])


def test_channels_are_the_standardised_map_and_its_standardised_deltas():
    made = StandardisedDeltas()(MAPS)
    assert (made.shape, made.dtype) == ((3, 2, 32, 44), np.float32)
    wide = MAPS.astype(np.float64)
    level = (wide - wide.mean(axis=(1, 2, 3), keepdims=True)) / wide.std(axis=(1, 2, 3), keepdims=True)
    slope = torch_deltas(level, 5)
    slope = (slope - slope.mean(axis=(1, 2, 3), keepdims=True)) / slope.std(axis=(1, 2, 3), keepdims=True)
    assert np.abs(made - np.concatenate([level, slope], axis=1)).max() < 1e-5


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 1000.0), (7.0, -3.0)])
def test_level_and_scale_of_a_map_do_not_matter(gain, offset):
    """An offset far above the map's spread is where sums in float32 would fail."""
    made = StandardisedDeltas()((MAPS * np.float32(gain) + np.float32(offset)).astype(np.float32))
    assert np.abs(made - StandardisedDeltas()(MAPS)).max() < 2e-4 * max(1.0, offset / 100)
    assert np.abs(made.mean(axis=(2, 3), dtype=np.float64)).max() < 1e-6
    assert np.abs(made.std(axis=(2, 3), dtype=np.float64) - 1).max() < 1e-6


def test_constant_map_stays_zero_and_finite():
    assert np.array_equal(StandardisedDeltas()(np.full((2, 1, 8, 10), -6.3, np.float32)), np.zeros((2, 2, 8, 10)))


def test_floor_bounds_the_gain():
    quiet = np.float32(1e-5) * MAPS
    made = StandardisedDeltas(floor=1e-3)(quiet)
    expected = (quiet - quiet.mean(axis=(1, 2, 3), keepdims=True)) / 1e-3
    assert np.abs(made[:, :1] - expected).max() < 1e-5


def test_one_map_equals_the_same_map_in_a_batch_of_three():
    assert np.array_equal(StandardisedDeltas()(MAPS)[1:2], StandardisedDeltas()(MAPS[1:2]))


@pytest.mark.parametrize("win_length", [1, 4, 0])
def test_window_that_is_even_or_below_three_is_told(win_length):
    with pytest.raises(SettingError, match=f"win_length takes an odd number of 3 or more; {win_length} came"):
        StandardisedDeltas(win_length)


def test_floor_of_zero_is_told():
    with pytest.raises(SettingError, match="floor takes a number above 0; 0 came"):
        StandardisedDeltas(floor=0)


def test_two_channels_are_told():
    with pytest.raises(SettingError, match=r"maps \(batch, 1, band, frame\); \(1, 2, 3, 4\) came"):
        StandardisedDeltas()(np.zeros((1, 2, 3, 4), np.float32))
