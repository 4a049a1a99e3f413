"""The spectrogram of report 003: Ellis' formula in float64, its frames, levels of tones, bad settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinyscene.errors import AudioError, SettingError
from tinyscene.frontends import FrontEnd, GammatoneSpectrogram
from tinyscene.runtime.gammatone_filters import gammatone_centres_hz, gammatone_weights
from tinyscene.runtime.gammatone_spectrogram import GammatoneSpectrogram as Twin
from tinyscene.spec import Spec

RATE_HZ = 44_100
SPEC = Spec(
    GammatoneSpectrogram,
    sample_rate_hz=RATE_HZ,
    n_fft=4_096,
    win_length=2_048,
    hop_length=1_024,
    n_bands=128,
    f_min=10.0,
    f_max=22_050.0,
)
SOUND = (0.1 * np.random.default_rng(0).standard_normal((2, RATE_HZ))).astype(np.float32)


def ellis(clip: np.ndarray) -> np.ndarray:
    """gammatonegram of the MATLAB pages, "fast": frames of n_fft, the window centred in them, amplitudes."""
    n_fft, n_win, hop = 4_096, 2_048, 1_024
    window = np.zeros(n_fft)
    half = 0.5 * (1 + np.cos(np.pi * np.arange(n_win // 2) / (n_win // 2)))
    window[n_fft // 2 : n_fft // 2 + n_win // 2] = half
    window[n_fft // 2 : n_fft // 2 - n_win // 2 : -1] = half
    frames = [clip[i : i + n_fft] * window for i in range(0, len(clip) - n_fft, hop)]
    weights = gammatone_weights(RATE_HZ, n_fft, 128, 10.0, 22_050.0)
    return weights @ np.abs(np.fft.fft(frames)[:, : n_fft // 2 + 1]).T / n_fft


@pytest.mark.parametrize("cls", [GammatoneSpectrogram, Twin])
def test_equals_ellis_fast_method_which_lacks_the_first_frame(cls):
    numbers = {key: value for key, value in SPEC.constants().items() if key != "class"}
    made = cls(**numbers)(torch.from_numpy(SOUND) if cls is GammatoneSpectrogram else SOUND)
    assert tuple(made.shape) == (2, 1, 128, 41)
    expected = 20 * np.log10(ellis(SOUND[0].astype(np.float64)) + 1e-7)
    assert expected.shape == (128, 40)
    assert np.abs(np.asarray(made)[0, 0, :, 1:] - expected).max() < 1e-3  # dB


def test_ten_seconds_are_the_428_frames_of_the_report():
    assert SPEC.build()(torch.zeros(1, 10 * RATE_HZ)).shape == (1, 1, 128, 428)


@pytest.mark.parametrize("band", [30, 64, 100, 120])
def test_a_tone_peaks_in_the_band_whose_centre_it_is(band):
    f_hz = float(gammatone_centres_hz(128, 10.0, 22_050.0)[band])
    tone = torch.sin(2 * torch.pi * f_hz * torch.arange(RATE_HZ, dtype=torch.float64) / RATE_HZ).float()
    assert (SPEC.build()(tone[None])[0, 0].argmax(0) == band).all()


def test_a_gain_is_its_decibels_and_silence_the_floor():
    made = SPEC.build()
    step = made(torch.from_numpy(10 * SOUND)) - made(torch.from_numpy(SOUND))
    assert torch.allclose(step[:, :, 8:], torch.tensor(20.0), atol=0.02)
    assert torch.allclose(made(torch.zeros(1, 8_000)), torch.tensor(-140.0), atol=1e-4)


def test_it_is_its_two_halves_and_the_first_is_a_power_spectrum():
    made, sound = SPEC.build(), torch.from_numpy(SOUND)
    spectrum = FrontEnd(made).spectrum(sound)
    assert torch.equal(made.bands(spectrum), made(sound))
    frame = SOUND[1, 5 * 1_024 : 5 * 1_024 + 2_048] * np.hanning(2_049)[:-1]
    np.testing.assert_allclose(spectrum[1, :, 5], np.abs(np.fft.rfft(frame, 4_096)) ** 2, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("cls", [GammatoneSpectrogram, Twin])
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"hop_length": 0}, "GammatoneSpectrogram.hop_length takes 1 sample or more; 0 came"),
        ({"win_length": 4_097}, r"GammatoneSpectrogram.win_length takes 1 to 4096 samples \(n_fft\); 4097 came"),
        ({"n_fft": 0}, "GammatoneSpectrogram.n_fft takes an even number of samples from 2; 0 came"),
        ({"n_bands": 0}, "GammatoneSpectrogram.n_bands takes 1 or more; 0 came"),
        ({"f_max": 30_000.0}, "GammatoneSpectrogram.f_max takes .*; 30000 came"),
        ({"f_min": -3.0}, "GammatoneSpectrogram.f_min takes .*; -3 came"),
        ({"width": -1.0}, "GammatoneSpectrogram.width takes a factor above 0; -1.0 came"),
        ({"floor": 0.0}, "GammatoneSpectrogram.floor takes a number above 0 .*; 0.0 came"),
    ],
)
def test_numbers_out_of_range_are_told(cls, changes, text):
    numbers = {key: value for key, value in SPEC.but(**changes).constants().items() if key != "class"}
    with pytest.raises(SettingError, match=text):
        cls(**numbers)


def test_a_clip_shorter_than_a_frame_is_told():
    assert SPEC.build()(torch.zeros(1, 3_072)).shape == (1, 1, 128, 1)
    with pytest.raises(AudioError, match=r"GammatoneSpectrogram takes 3072 samples or more .*; 3071 came"):
        SPEC.build()(torch.zeros(1, 3_071))
