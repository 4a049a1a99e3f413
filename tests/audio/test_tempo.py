"""Tempo measured: pitch stays, length and everything that happens in time go by the factor."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import hilbert

from tinyscene.audio.tempo import change_tempo
from tinyscene.errors import MissingExtraError, SettingError

RATE = 44_100
FACTORS = pytest.mark.parametrize("factor", [0.5, 0.75, 0.85, 1.15, 1.25, 2.0])


def peak_hz(x: np.ndarray, rate: int = RATE) -> float:
    """Frequency of the strongest line, to a fraction of a bin."""
    return float(np.argmax(np.abs(np.fft.rfft(x * np.hanning(len(x)), 16 * len(x)))) * rate / (16 * len(x)))


@FACTORS
@pytest.mark.parametrize("f_hz", [110.0, 440.0, 3_000.0])
def test_sine_keeps_its_frequency(factor, f_hz):
    made = change_tempo(0.5 * np.sin(2 * np.pi * f_hz * np.arange(2 * RATE) / RATE), RATE, factor)
    assert peak_hz(made) == pytest.approx(f_hz, rel=0.005)


@FACTORS
def test_modulation_goes_by_the_factor(factor):
    """4 Hz of amplitude modulation on a tone become 4 Hz times the factor."""
    time = np.arange(3 * RATE) / RATE
    tone = 0.4 * (1 + 0.8 * np.sin(2 * np.pi * 4 * time)) * np.sin(2 * np.pi * 880 * time)
    made = change_tempo(tone, RATE, factor)
    envelope = np.abs(hilbert(made))[RATE // 10 : -RATE // 10 : 100]
    assert peak_hz(envelope - envelope.mean(), RATE // 100) == pytest.approx(4 * factor, rel=0.02)


@FACTORS
def test_clicks_come_at_their_place_over_the_factor(factor):
    x = np.zeros(2 * RATE, np.float32)
    places = np.array([0.25, 0.8, 1.5]) * RATE
    for place in places.astype(int):
        x[place : place + 60] = 0.5
    made = np.abs(change_tempo(x, RATE, factor))
    for place in places / factor:
        near = made[max(0, int(place - 0.05 * RATE)) : int(place + 0.05 * RATE)]
        assert near.max() > 0.2


@settings(max_examples=80, deadline=None)
@given(
    st.one_of(st.integers(1, 200), st.integers(1, 20_000)),
    st.sampled_from([2_000, 8_000, 22_050, 44_100, 48_000, 192_000]),
    st.floats(0.5, 2.0),
)
def test_length_is_the_clip_s_over_the_factor(n_samples, rate, factor):
    x = np.random.default_rng(n_samples).standard_normal(n_samples)
    made = change_tempo(x, rate, factor)
    assert made.shape == (max(1, round(n_samples / factor)),)
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    assert np.abs(made).max() <= 1.5 * np.abs(x).max()


@FACTORS
def test_level_is_kept_to_the_end(factor):
    """A tone's last 10 ms are as loud as the whole, whatever the clip's length: nothing is missing at the end."""
    for n_samples in (5_000, 30_000, 44_100, 61_234):
        made = change_tempo(0.1 * np.sin(2 * np.pi * 1_000 * np.arange(n_samples) / RATE), RATE, factor)
        assert np.std(made[-RATE // 100 :]) == pytest.approx(0.1 / np.sqrt(2), rel=0.1)
        assert np.std(made) == pytest.approx(0.1 / np.sqrt(2), rel=0.05)


def test_same_tempo_and_silence_stay_as_they_are():
    x = np.random.default_rng(0).standard_normal(5_000).astype(np.float32)
    assert np.array_equal(change_tempo(x, RATE, 1.0), x)
    assert not change_tempo(np.zeros(5_000), RATE, 0.75).any()


def test_same_clip_makes_the_same():
    x = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    before = x.copy()
    assert np.array_equal(change_tempo(x, RATE, 1.25), change_tempo(x, RATE, 1.25))
    assert np.array_equal(x, before)


@pytest.mark.parametrize("factor", [0.4, 2.1, float("nan")])
def test_factor_out_of_range_is_told(factor):
    with pytest.raises(SettingError, match=f"change_tempo.factor takes 0.5 to 2; {factor} came"):
        change_tempo(np.zeros(100), RATE, factor)


def test_missing_pyav_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match="change_tempo needs the extra 'train'"):
        change_tempo(np.zeros(100), RATE, 1.25)
