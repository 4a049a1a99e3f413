"""Resampling measured: length, pass band, stop band, no shift in time."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyscene.audio import resample
from tinyscene.audio.resample import resample_blocks
from tinyscene.errors import SettingError


def tone(f_hz: float, rate: int, n_samples: int) -> np.ndarray:
    return np.sin(2 * np.pi * f_hz * np.arange(n_samples) / rate).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5_000), st.sampled_from([2_000, 11_025, 44_100, 192_000]), st.sampled_from([8_000, 44_100, 48_000])
)
def test_length_is_the_rounded_ratio(n_samples, rate_from, rate_to):
    expected = max(1, round(n_samples * rate_to / rate_from))
    assert resample(np.ones(n_samples, np.float32), rate_from, rate_to).shape == (expected,)


@pytest.mark.parametrize(("rate_from", "rate_to"), [(44_100, 32_000), (48_000, 44_100), (16_000, 44_100)])
def test_tone_is_the_same_tone_at_the_other_rate(rate_from, rate_to):
    """Gain, frequency and time in one: away from the ends every sample is that of the tone, to -80 dB."""
    made = resample(tone(1_000, rate_from, rate_from), rate_from, rate_to)
    inside = slice(rate_to // 10, -rate_to // 10)
    assert np.abs(made - tone(1_000, rate_to, rate_to))[inside].max() < 1e-4


def test_tone_above_the_new_nyquist_frequency_is_gone():
    made = resample(tone(12_000, 44_100, 44_100), 44_100, 16_000)
    assert 20 * np.log10(np.abs(made[1_600:-1_600]).max()) < -100


def test_equal_rates_return_the_waveform_itself():
    waveform = tone(100, 8_000, 100)
    assert resample(waveform, 8_000, 8_000) is waveform


def test_leading_axes_are_kept_and_rows_are_independent():
    waveforms = np.random.default_rng(0).standard_normal((2, 3, 4_410)).astype(np.float32)
    made = resample(waveforms, 44_100, 48_000)
    assert (made.shape, made.dtype) == ((2, 3, 4_800), np.float32)
    assert np.array_equal(made[1, 2], resample(waveforms[1, 2], 44_100, 48_000))


def test_rate_of_zero_is_refused():
    with pytest.raises(SettingError, match="rates of 1 Hz or more; 44100 and 0 Hz came"):
        resample(np.ones(3, np.float32), 44_100, 0)


def test_name_in_the_package_is_the_function_whatever_was_imported_first():
    __import__("tinyscene.audio.resample")
    assert callable(sys.modules["tinyscene.audio"].resample)


@pytest.mark.parametrize(
    ("rate_from", "rate_to"), [(44_100, 32_000), (48_000, 44_100), (8_000, 44_100), (16_000, 16_000)]
)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_blocks_make_what_the_whole_makes_to_the_bit(rate_from, rate_to, data):
    sound = np.random.default_rng(1).standard_normal(data.draw(st.integers(1, 30_000))).astype(np.float32)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sound)), max_size=9)))
    made = np.concatenate(list(resample_blocks(np.split(sound, cuts), rate_from, rate_to)))
    assert np.array_equal(made, resample(sound, rate_from, rate_to))
