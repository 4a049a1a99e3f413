"""Codec round trips measured: no delay, the same length, the likeness and the loss of each bit rate."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from tinyscene.audio import read_audio
from tinyscene.audio.codec import CODECS, codec_round_trip
from tinyscene.errors import AudioError, MissingExtraError, SettingError

EVERY = pytest.mark.parametrize("codec", CODECS)
RATE = 44_100


def noise_and_tones(rate: int = RATE, seconds: float = 1.0) -> np.ndarray:
    """Three tones and noise 20 dB below them."""
    time = np.arange(round(rate * seconds)) / rate
    tones = sum(0.2 * np.sin(2 * np.pi * share * rate * time + share) for share in (0.01, 0.031, 0.07))
    return (tones + 0.02 * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)


def lag(made: np.ndarray, x: np.ndarray) -> int:
    """By how many samples `made` is late, from the peak of the cross-correlation."""
    return int(np.argmax(correlate(made, x))) - (len(x) - 1)


def high_share_db(x: np.ndarray, above_hz: float) -> float:
    power = np.abs(np.fft.rfft(x)) ** 2
    return 10 * np.log10(power[np.fft.rfftfreq(len(x), 1 / RATE) > above_hz].sum() / power.sum())


@EVERY
def test_128_kbps_is_alike_in_time_and_not_the_same(codec):
    x = noise_and_tones()
    made = codec_round_trip(x, RATE, codec, 128)
    assert made.shape == x.shape
    assert made.dtype == np.float32
    assert np.corrcoef(made, x)[0, 1] > 0.95
    assert lag(made, x) == 0
    assert np.abs(made - x).max() > 1e-3
    assert np.abs(made).max() < 1.2


@EVERY
@pytest.mark.parametrize("rate", [2_000, 8_000, 11_025, 16_000, 22_050, 32_000, 48_000, 64_000, 96_000, 192_000])
def test_every_rate_comes_back_in_time(codec, rate):
    x = noise_and_tones(rate, 0.5)
    made = codec_round_trip(x, rate, codec, 128)
    assert made.shape == x.shape
    assert np.corrcoef(made, x)[0, 1] > 0.95
    assert lag(made, x) == 0


@EVERY
def test_real_clip_is_alike_in_time(codec, real_data):
    paths = sorted((real_data / "esc10" / "audio").glob("*/*.*"))[::80]
    assert len(paths) == 5
    for path in paths:
        x, rate = read_audio(path)
        made = codec_round_trip(x, rate, codec, 128)
        assert np.corrcoef(made, x)[0, 1] > 0.95, path
        assert lag(made, x) == 0
        assert np.abs(made - x).max() > 0


@EVERY
def test_low_bit_rate_loses_the_highs_and_more_besides(codec):
    x = (0.1 * np.random.default_rng(1).standard_normal(2 * RATE)).astype(np.float32)
    made = {kbps: codec_round_trip(x, RATE, codec, kbps) for kbps in (32, 128)}
    assert high_share_db(made[32], 14_000) < high_share_db(x, 14_000) - 25
    assert high_share_db(made[128], 14_000) > high_share_db(x, 14_000) - 10
    error = {kbps: np.mean((y - x) ** 2) for kbps, y in made.items()}
    assert error[32] > 2 * error[128]


@EVERY
def test_first_and_last_samples_are_there(codec):
    """A click at either end: what is cut off as delay, or not flushed, would take one of them away."""
    x = np.zeros(RATE // 2, np.float32)
    x[[10, -10]] = 0.9
    made = np.abs(codec_round_trip(x, RATE, codec, 320))
    half = len(x) // 2
    assert abs(np.argmax(made[:half]) - 10) <= 1
    assert abs(np.argmax(made[half:]) + half - (len(x) - 10)) <= 1


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(CODECS),
    st.one_of(st.integers(1, 130), st.integers(1, 6_000)),
    st.sampled_from([2_000, 8_000, 44_100, 48_000, 96_000]),
    st.integers(8, 320),
)
def test_any_length_rate_and_bit_rate_comes_back_finite_and_as_long(codec, n_samples, rate, kbps):
    x = 0.3 * np.random.default_rng(n_samples).standard_normal(n_samples)
    for sound in (x, np.zeros(n_samples), 4 * x):
        made = codec_round_trip(sound, rate, codec, kbps)
        assert made.shape == (n_samples,)
        assert np.isfinite(made).all()
        assert np.abs(made).max() <= 3 * np.abs(sound).max() + 0.1


@EVERY
@pytest.mark.parametrize("n_samples", [1, 100, 44_100])
def test_silence_stays_silence(codec, n_samples):
    assert np.abs(codec_round_trip(np.zeros(n_samples, np.float32), RATE, codec, 64)).max() < 1e-6


@EVERY
def test_the_same_goes_in_and_out_again(codec):
    x = noise_and_tones(seconds=0.2)
    before = x.copy()
    assert np.array_equal(codec_round_trip(x, RATE, codec, 64), codec_round_trip(x, RATE, codec, 64))
    assert np.array_equal(x, before)


def test_bad_arguments_are_told():
    x = noise_and_tones(seconds=0.1)
    with pytest.raises(SettingError, match=r"codec_round_trip has no codec 'mp4'; it takes mp3, aac. Did you mean"):
        codec_round_trip(x, RATE, "mp4", 64)
    with pytest.raises(SettingError, match=r"codec_round_trip.kbps takes 8 to 320; 4 came"):
        codec_round_trip(x, RATE, "mp3", 4)
    with pytest.raises(AudioError, match="takes finite samples"):
        codec_round_trip(np.array([0.0, np.nan]), RATE, "mp3", 64)


def test_missing_pyav_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"codec_round_trip needs the extra 'train' \(no module named av\)"):
        codec_round_trip(noise_and_tones(), RATE, "aac", 64)
