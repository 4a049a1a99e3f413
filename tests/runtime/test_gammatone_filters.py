"""Gammatone filters against published values, Slaney's and Ellis' formulas as others run them, and the closed form."""

from __future__ import annotations

import numpy as np
import pytest

from tinyscene.errors import SettingError
from tinyscene.runtime.gammatone_filters import (
    check_gammatone,
    erb_hz,
    gammatone_centres_hz,
    gammatone_weights,
)

NUMBERS = {"sample_rate_hz": 44_100, "n_fft": 4_096, "n_bands": 128, "f_min": 10.0, "f_max": 22_050.0}
WEIGHTS, CENTRES = gammatone_weights(**NUMBERS), gammatone_centres_hz(128, 10.0, 22_050.0)
BINS_HZ = np.arange(2_049) * 44_100 / 4_096


def test_bandwidth_has_its_published_values():
    """Glasberg and Moore (1990): 24.7 (4.37 f/kHz + 1)."""
    assert np.allclose(erb_hz(np.array([0.0, 100.0, 1_000.0, 10_000.0])), [24.7, 35.494, 132.639, 1104.09], rtol=1e-4)


def test_centres_are_slaneys():
    """ERBSpace(100, 11025, 10) of Slaney's Auditory Toolbox, as the package gammatone 1.0.3 runs it."""
    expected = [100.0, 239.3416, 437.7287, 720.1815, 1122.3226, 1694.8694, 2510.0306, 3670.6130, 5322.9877, 7675.5495]
    assert np.allclose(gammatone_centres_hz(10, 100.0, 11_025.0), expected, atol=1e-4)
    assert np.allclose(CENTRES[[0, 1, 63, 127]], [10.0, 18.614675, 1997.572503, 21274.381597], atol=1e-6)


def test_centres_are_equal_steps_of_the_erb_scale_up_to_the_edge():
    """Moore and Glasberg's rate: the integral of 1/ERB."""
    rate = np.log(erb_hz(np.append(CENTRES, 22_050.0)))
    assert np.ptp(np.diff(rate)) < 1e-12


@pytest.mark.parametrize(
    ("band", "bins", "expected"),
    [
        (0, [0, 1, 6, 200], [0.262174780533, 1.03720686881, 0.067701185676, 6.52882212036e-08]),
        (10, [5, 10, 15, 200], [0.0852511261063, 0.978889924222, 0.129294702543, 1.90357612044e-07]),
        (64, [188, 193, 198, 200], [0.915935617597, 0.999999806012, 0.915471947373, 0.844134741668]),
        (100, [741, 746, 751, 200], [0.993110677399, 0.999999732978, 0.992938999556, 0.000675105316819]),
        (127, [1947, 1952, 1957, 200], [1.02500576876, 1.02592275722, 1.02458666948, 0.0016773052366]),
    ],
)
def test_weights_are_ellis(band, bins, expected):
    """fft2gammatonemx(4096, 44100, 128, 1, 10, 22050) as the package gammatone 1.0.3 runs it (6e-12 apart)."""
    np.testing.assert_allclose(WEIGHTS[band, bins], expected, rtol=1e-9)


def test_weights_have_the_form_of_a_gammatone():
    """(1 + ((f - centre) / b)^2)^-2, b = 1.019 ERB: all but the 4 lowest and 4 highest of 128 bands.

    Those overlap their own mirror image, below 0 Hz or beyond half the rate; the closed form has none.
    """
    form = (1 + ((BINS_HZ - CENTRES[:, None]) / (1.019 * erb_hz(CENTRES)[:, None])) ** 2) ** -2
    correlation = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(form, WEIGHTS, strict=True)])
    assert (correlation[4:-4] > 0.998).all()
    assert np.median(correlation) > 0.9999
    assert (correlation > 0.9).all()


def test_peaks_lie_on_the_centres_with_gain_one():
    inside = slice(8, -8)
    assert np.abs(BINS_HZ[WEIGHTS[inside].argmax(axis=1)] - CENTRES[inside]).max() <= 0.75 * 44_100 / 4_096
    fine = gammatone_weights(**(NUMBERS | {"n_fft": 1 << 17}))
    assert np.allclose(fine[inside].max(axis=1), 1.0, atol=0.02)
    at_centre = [
        np.interp(c, np.arange(65_537) * 44_100 / (1 << 17), row) for c, row in zip(CENTRES, fine, strict=True)
    ]
    assert np.allclose(at_centre, 1.0, atol=1e-3)


def test_width_is_a_factor_of_the_bandwidth():
    """Half of the peak's amplitude lies at b sqrt(sqrt(2) - 1)."""
    for width in (0.5, 1.0, 2.0):
        row = gammatone_weights(**(NUMBERS | {"n_fft": 1 << 16, "width": width}))[64]
        above_hz = (row > 0.5).sum() * 44_100 / (1 << 16)
        assert above_hz == pytest.approx(2 * width * 1.019 * erb_hz(CENTRES[64]) * np.sqrt(np.sqrt(2) - 1), rel=0.01)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"f_max": 22_051.0}, r"Bank.f_max takes a frequency above 0 up to 22050 Hz .*; 22051 came"),
        ({"f_min": -1.0}, r"Bank.f_min takes 0 Hz up to below f_max \(22050 Hz\); -1 came"),
        ({"n_bands": 0}, "Bank.n_bands takes 1 or more; 0 came"),
        ({"width": 0.0}, "Bank.width takes a factor above 0; 0.0 came"),
        ({"sample_rate_hz": 0}, "Bank.sample_rate_hz takes a rate above 0 Hz; 0 came"),
    ],
)
def test_numbers_out_of_range_are_told(numbers, text):
    settings = {key: value for key, value in NUMBERS.items() if key != "n_fft"} | {"width": 1.0} | numbers
    with pytest.raises(SettingError, match=text):
        check_gammatone("Bank", **settings)
