"""Deltas: slopes of ramps, librosa's regression."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from tinyscene.dsp import deltas


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("win_length", [3, 5, 9])
def test_slope_of_a_ramp_is_its_slope(win_length):
    ramp = 0.25 * torch.arange(20.0) - 3
    reach = win_length // 2
    assert torch.allclose(deltas(ramp.expand(2, 3, 20), win_length)[..., reach:-reach], torch.tensor(0.25))


@pytest.mark.parametrize("win_length", [3, 5, 9])
def test_equals_librosa_with_repeated_ends(win_length):
    x = noise(4, 30)
    expected = librosa.feature.delta(x.numpy(), width=win_length, mode="nearest")
    assert np.allclose(deltas(x, win_length).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_maps_shorter_than_the_window_repeat_their_ends(n_frames):
    x = noise(2, n_frames)
    padded = np.pad(x.numpy(), ((0, 0), (2, 2)), mode="edge")
    expected = [
        (padded[:, t + 3] - padded[:, t + 1] + 2 * (padded[:, t + 4] - padded[:, t])) / 10 for t in range(n_frames)
    ]
    assert np.allclose(deltas(x).numpy(), np.stack(expected, axis=1), atol=1e-12)


@pytest.mark.parametrize("win_length", [3, 5, 9])
def test_valid_edges_are_the_frames_that_no_padding_reached(win_length):
    x, reach = noise(4, 30), win_length // 2
    made = deltas(x, win_length, edges="valid")
    assert made.shape == (4, 30 - 2 * reach)
    assert torch.allclose(made, deltas(x, win_length)[:, reach:-reach])
    assert torch.equal(made[:, 0], deltas(x[:, :win_length], win_length, edges="valid")[:, 0])


@pytest.mark.parametrize("shape", [(9,), (4, 9), (2, 1, 4, 9)])
def test_acts_on_the_last_axis_alone(shape):
    x = noise(*shape)
    rows = torch.stack([deltas(row) for row in x.reshape(-1, 9)])
    assert torch.equal(deltas(x), rows.reshape(shape))
