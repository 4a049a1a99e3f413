"""Deltas: the formulas of the reports written out, librosa, ramps and parabolas, which map lies where."""

from __future__ import annotations

import re

import librosa
import numpy as np
import pytest
import torch

from tinyscene.errors import SettingError
from tinyscene.frontends import Deltas
from tinyscene.runtime.stacked_deltas import Deltas as Twin

BANDS = torch.randn(2, 2, 5, 44, generator=torch.Generator().manual_seed(0)) - 8


def family(x: np.ndarray) -> np.ndarray:
    """Report 000's family code: d[t] = (x[t+1] - x[t-1]) / 10 + (x[t+2] - x[t-2]) / 5, without padding."""
    return (x[..., 3:-1] - x[..., 1:-3]) / 10 + (x[..., 4:] - x[..., :-4]) / 5


def test_valid_maps_are_those_of_report_000():
    """log-mel[4:-4], delta[2:-2], delta-delta: 44 frames become 36."""
    x = BANDS.double().numpy()
    expected = np.concatenate([x[..., 4:-4], family(x)[..., 2:-2], family(family(x))], axis=1)
    made = Deltas(edges="valid")(BANDS)
    assert made.shape == (2, 6, 5, 36)
    np.testing.assert_allclose(made.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("win_length", [3, 5, 9])
def test_padded_maps_are_librosas_with_repeated_ends(win_length):
    """A straight line fitted to each window, twice for the delta-delta (librosa's own order 2 fits a parabola)."""
    x = BANDS.double().numpy()
    first = librosa.feature.delta(x, width=win_length, mode="nearest")
    second = librosa.feature.delta(first, width=win_length, mode="nearest")
    made = Deltas(win_length=win_length)(BANDS.double())
    np.testing.assert_allclose(made.numpy(), np.concatenate([x, first, second], axis=1), atol=1e-12)


@pytest.mark.parametrize("win_length", [3, 5, 9])
@pytest.mark.parametrize("edges", ["padded", "valid"])
def test_slope_of_a_parabola_is_a_ramp_and_its_slope_is_constant(win_length, edges):
    t = torch.arange(30, dtype=torch.float64)
    made = Deltas(win_length=win_length, edges=edges)((0.5 * t**2 - 3 * t + 1).expand(1, 1, 2, 30))
    reach = win_length - 1  # what the ends reach of both deltas together
    inner = slice(reach, -reach) if edges == "padded" else slice(None)
    level, first, second = made[0, :, 0, inner]
    t = t[reach:-reach]
    torch.testing.assert_close(level, 0.5 * t**2 - 3 * t + 1)
    torch.testing.assert_close(first, t - 3)
    torch.testing.assert_close(second, torch.ones_like(t))


def test_valid_is_the_inside_of_padded():
    torch.testing.assert_close(Deltas(edges="valid")(BANDS), Deltas()(BANDS)[..., 4:-4])


@pytest.mark.parametrize("edges", ["padded", "valid"])
def test_both_ways_of_stacking_hold_the_same_maps(edges):
    on_channels, on_bands = Deltas(edges=edges)(BANDS), Deltas(edges=edges, stack="band")(BANDS)
    assert on_channels.shape[:3] == (2, 3 * 2, 5)
    assert on_bands.shape[:3] == (2, 2, 3 * 5)
    for order in range(3):
        assert torch.equal(on_channels[:, 2 * order : 2 * order + 2], on_bands[:, :, 5 * order : 5 * order + 5])


@pytest.mark.parametrize(("edges", "n_frames"), [("padded", 44), ("valid", 40)])
def test_order_1_leaves_the_second_delta_out(edges, n_frames):
    made = Deltas(order=1, edges=edges)(BANDS)
    assert made.shape == (2, 4, 5, n_frames)
    whole = Deltas(edges=edges)(BANDS)[:, :4]
    torch.testing.assert_close(made if edges == "padded" else made[..., 2:-2], whole)


@pytest.mark.parametrize(("order", "least"), [(1, 5), (2, 9)])
def test_a_map_too_short_for_valid_is_told(order, least):
    assert Deltas(order, edges="valid")(BANDS[..., :least]).shape[-1] == 1
    text = (
        f"Deltas.edges 'valid' takes more than {least - 1} frames, since it loses that many; {least - 1} came. "
        "Take 'padded' or lengthen task.window_s."
    )
    with pytest.raises(SettingError, match=f"^{re.escape(text)}$"):
        Deltas(order, edges="valid")(BANDS[..., : least - 1])
    with pytest.raises(SettingError, match=f"^{re.escape(text)}$"):
        Twin(order, edges="valid")(BANDS[..., : least - 1].numpy())
    assert Deltas(order)(BANDS[..., :1]).shape[-1] == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"order": 0}, "Deltas.order takes 1 or 2; 0 came."),
        ({"order": 3}, "Deltas.order takes 1 or 2; 3 came."),
        ({"win_length": 4}, "Deltas.win_length takes an odd number of frames from 3; 4 came."),
        ({"win_length": 1}, "Deltas.win_length takes an odd number of frames from 3; 1 came."),
        ({"edges": "mirrored"}, "Deltas.edges takes padded, valid; 'mirrored' came."),
        ({"stack": "frame"}, "Deltas.stack takes channel, band; 'frame' came."),
    ],
)
@pytest.mark.parametrize("part", [Deltas, Twin])
def test_a_setting_out_of_range_is_told_by_its_name(part, changes, text):
    with pytest.raises(SettingError) as caught:
        part(**changes)
    assert str(caught.value) == text
