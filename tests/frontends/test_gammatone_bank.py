"""The true gammatone bank: responses measured with sines and an impulse, frames, bad settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinyscene.errors import AudioError, SettingError
from tinyscene.frontends import FrontEnd, GammatoneBank, LogMel
from tinyscene.runtime.gammatone_bank import GammatoneBank as Twin
from tinyscene.runtime.gammatone_bank import transform_length
from tinyscene.runtime.gammatone_filters import erb_hz, gammatone_centres_hz
from tinyscene.spec import Spec

RATE_HZ = 16_000
SPEC = Spec(
    GammatoneBank,
    sample_rate_hz=RATE_HZ,
    win_length=1_024,
    hop_length=512,
    n_bands=8,
    f_min=100.0,
    f_max=8_000.0,
    log="ln",
    floor=1e-30,
)
CENTRES = gammatone_centres_hz(8, 100.0, 8_000.0)


def sweep(band: int, reach: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n sines evenly within `reach` times b around a band's centre: their distances in b, the band's settled powers."""
    distance = np.linspace(-reach, reach, n)
    f_hz = CENTRES[band] + distance * 1.019 * erb_hz(CENTRES[band])
    sines = torch.from_numpy(np.sin(2 * np.pi * f_hz[:, None] * np.arange(6_000) / RATE_HZ)).float()
    return distance, SPEC.build()(sines)[:, 0, band, 5].exp().double().numpy()


@pytest.mark.parametrize("band", [1, 2, 3, 4, 5, 6])
def test_a_sweep_finds_the_centre_its_gain_and_the_bandwidth(band):
    """Power is (1 + (x / b)^2)^-4 at x from the centre, so its fourth root is a parabola's reciprocal."""
    distance, power = sweep(band, 2.0, 41)
    curve, slope, least = np.polyfit(distance, power**-0.25, 2)
    assert abs(slope / (2 * curve)) < 0.02  # the centre, in b
    assert least == pytest.approx(1.0, rel=0.01)  # its gain
    assert curve**-0.5 == pytest.approx(1.0, rel=0.02)  # the measured b, as a part of 1.019 ERB


@pytest.mark.parametrize("band", [3, 4, 5])
def test_the_band_is_as_wide_as_the_ears(band):
    """The area under the power response of order 4 is 5 pi / 16 of b: 0.9817 * 1.019 ERB = 1.0004 ERB."""
    distance, power = sweep(band, 6.0, 121)
    assert np.trapezoid(power, distance) * 1.019 == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("band", [2, 4, 6])
@pytest.mark.parametrize("cls", [GammatoneBank, Twin])
def test_an_impulse_has_the_envelope_of_a_gammatone(band, cls):
    """2 (2 pi b)^4 t^3 / 3! exp(-2 pi b t): twice the filter's, since the other side's half is folded in."""
    impulse, at = np.zeros((1, 4_000), np.float32), 500
    impulse[0, at] = 1.0
    numbers = {k: v for k, v in SPEC.but(win_length=1, hop_length=1).constants().items() if k != "class"}
    made = cls(**numbers)(torch.from_numpy(impulse) if cls is GammatoneBank else impulse)
    envelope = np.exp(0.5 * np.asarray(made)[0, 0, band].astype(float))
    t_s, b = np.arange(3_500) / RATE_HZ, 1.019 * erb_hz(CENTRES[band])
    expected = 2 * (2 * np.pi * b) ** 4 * t_s**3 / 6 * np.exp(-2 * np.pi * b * t_s) / RATE_HZ
    assert np.abs(envelope[at:] - expected).max() < 0.02 * expected.max()
    assert envelope[at:].argmax() == pytest.approx(3 / (2 * np.pi * b) * RATE_HZ, abs=1.5)


def test_the_end_of_a_clip_does_not_ring_into_its_start():
    """A click at the last sample: all of its tail falls beyond the clip, though the clip is a power of two long."""
    clip = torch.zeros(1, 8_192)
    clip[0, -1] = 1.0
    level_db = SPEC.but(log="db", floor=1e-12).build()(clip)[0, 0]
    early = level_db[:, :4].amax(1)  # what a filter cut at 0 Hz rings ahead is far below the click
    whole = SPEC.but(log="db", floor=1e-12).build()(clip.roll(-4_096, 1))[0, 0].amax(1)
    assert (early < whole - 60).all()


def test_the_transform_holds_clip_and_tail():
    n = transform_length(8_192, RATE_HZ, 100.0, 1)
    assert n == 16_384
    tail = 8_192 / RATE_HZ * 2 * np.pi * 1.019 * erb_hz(100.0)
    assert tail**3 * np.exp(-tail) < 1e-6


@pytest.mark.parametrize(("n_samples", "n_frames"), [(1_024, 1), (1_535, 1), (1_536, 2), (16_000, 30)])
def test_frames_are_those_that_fit(n_samples, n_frames):
    assert SPEC.build()(torch.zeros(2, n_samples)).shape == (2, 1, 8, n_frames)


def test_more_bands_than_are_made_at_once_are_the_same_bands():
    sound = 0.1 * torch.randn(1, 4_000, generator=torch.Generator().manual_seed(0))
    many = SPEC.but(n_bands=24, log="log10").build()(sound)
    few = SPEC.but(n_bands=8, log="log10").build()(sound)
    torch.testing.assert_close(many[:, :, ::3], few)


def test_it_has_no_power_spectrum_to_act_on():
    with pytest.raises(SettingError, match=r"FrontEnd.spectral is GammatoneBank, which has no power spectrum"):
        FrontEnd(SPEC.build()).spectrum(torch.zeros(1, 4_000))
    assert hasattr(LogMel, "spectrum")


@pytest.mark.parametrize("cls", [GammatoneBank, Twin])
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"win_length": 0}, "GammatoneBank.win_length takes 1 or more; 0 came"),
        ({"hop_length": 0}, "GammatoneBank.hop_length takes 1 or more; 0 came"),
        ({"n_bands": 0}, "GammatoneBank.n_bands takes 1 or more; 0 came"),
        ({"f_max": 9_000.0}, "GammatoneBank.f_max takes .*; 9000 came"),
        ({"log": "bel"}, "GammatoneBank has no log 'bel'; it takes log10, ln, db"),
        ({"floor": -1.0}, "GammatoneBank.floor takes a number above 0 .*; -1.0 came"),
    ],
)
def test_numbers_out_of_range_are_told(cls, changes, text):
    numbers = {key: value for key, value in SPEC.but(**changes).constants().items() if key != "class"}
    with pytest.raises(SettingError, match=text):
        cls(**numbers)


def test_a_clip_shorter_than_a_frame_is_told():
    with pytest.raises(AudioError, match=r"GammatoneBank takes 1024 samples or more \(win_length\); 1023 came"):
        SPEC.build()(torch.zeros(1, 1_023))
