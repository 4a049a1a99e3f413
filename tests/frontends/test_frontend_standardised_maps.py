"""StandardisedClip and StandardisedBands: scikit-learn's scaler, closed forms, what gain and colouring may change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from tinyscene.errors import SettingError
from tinyscene.frontends import StandardisedBands, StandardisedClip, StandardisedDeltas
from tinyscene.runtime.front_end import FINISH

BANDS = 3 + 2 * torch.randn(3, 2, 16, 20, generator=torch.Generator().manual_seed(0))
COLOUR = torch.linspace(-4, 4, 16)[:, None]


def test_each_channel_of_each_clip_is_scaled_as_scikit_learn_would():
    made = StandardisedClip()(BANDS).numpy()
    for clip, expected in zip(BANDS.double().numpy().reshape(6, -1, 1), made.reshape(6, -1, 1), strict=True):
        np.testing.assert_allclose(StandardScaler().fit_transform(clip), expected, atol=1e-5)


def test_each_band_of_each_clip_is_scaled_as_scikit_learn_would():
    made = StandardisedBands()(BANDS).numpy()
    for clip, expected in zip(BANDS.double().numpy().reshape(6, 16, 20), made.reshape(6, 16, 20), strict=True):
        np.testing.assert_allclose(StandardScaler().fit_transform(clip.T).T, expected, atol=1e-5)


def test_clip_is_the_first_map_of_report_001():
    torch.testing.assert_close(StandardisedClip()(BANDS[:, :1]), StandardisedDeltas()(BANDS[:, :1])[:, :1])


def test_a_colouring_of_the_bands_is_gone_from_bands_and_stays_in_clip():
    """A microphone adds a curve to log bands: report 002's way takes it out, report 001's does not."""
    torch.testing.assert_close(StandardisedBands()(BANDS + COLOUR), StandardisedBands()(BANDS), atol=1e-5, rtol=0)
    assert (StandardisedClip()(BANDS + COLOUR) - StandardisedClip()(BANDS)).abs().max() > 0.5


@pytest.mark.parametrize("step", [StandardisedClip(), StandardisedBands()], ids=["clip", "bands"])
def test_gain_and_offset_change_nothing(step):
    torch.testing.assert_close(step(7 * BANDS - 40), step(BANDS), atol=1e-4, rtol=0)


@pytest.mark.parametrize("part", [StandardisedClip, StandardisedBands])
def test_the_floor_is_the_least_divisor_and_is_added_to_none(part):
    """Cells at -s and +s become -s/floor and +s/floor below the floor, -1 and +1 above it."""
    signs = torch.tensor([-1.0, 1.0]).repeat(40).reshape(1, 1, 8, 10)
    torch.testing.assert_close(part(floor=1e-2)(1e-3 * signs), 0.1 * signs)
    torch.testing.assert_close(part(floor=1e-2)(2e-2 * signs), signs)


@pytest.mark.parametrize("part", [StandardisedClip, StandardisedBands])
@pytest.mark.parametrize("level", [0.0, 3.3, -10.0, -23.02585, -7.123456])
def test_a_constant_map_becomes_0(part, level):
    assert part()(torch.full((2, 1, 256, 44), level)).abs().max() < 1e-5


def test_one_frame_has_no_deviation_and_becomes_0():
    assert StandardisedBands()(BANDS[..., :1]).abs().max() < 1e-5


@pytest.mark.parametrize(
    "part", [StandardisedClip, StandardisedBands, FINISH["StandardisedClip"], FINISH["StandardisedBands"]]
)
@pytest.mark.parametrize("floor", [0.0, -1.0, float("nan")])
def test_a_floor_out_of_range_is_told(part, floor):
    with pytest.raises(SettingError) as caught:
        part(floor=floor)
    assert str(caught.value) == f"{part.__name__}.floor takes a deviation above 0; {floor} came."
