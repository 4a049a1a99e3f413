"""Mel scales against the values their authors published, filter banks against librosa and closed forms."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyscene.errors import SettingError
from tinyscene.runtime import mel_filterbank
from tinyscene.runtime.filterbanks import hz_to_mel, mel_to_hz


def test_htk_mel_has_its_published_values():
    """HTK Book 3.4, equation 5.13: 2595 log10(1 + f/700); its scale is made so that 1000 Hz is 1000 mel."""
    mels = hz_to_mel(np.array([0.0, 500.0, 1000.0, 2000.0, 3000.0]), "htk")
    assert np.allclose(mels, [0.0, 607.4459, 999.9856, 1521.3595, 1876.4544], atol=1e-3)


def test_slaney_mel_has_its_published_values():
    """Auditory Toolbox (Slaney 1998): 200/3 Hz a mel up to 1 kHz, then 27 mels for each factor of 6.4."""
    assert np.allclose(hz_to_mel(np.array([0.0, 200.0, 1000.0, 6400.0]), "slaney"), [0.0, 3.0, 15.0, 42.0], atol=1e-12)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
@given(f_hz=st.floats(0, 96_000))
def test_scale_and_its_inverse_cancel(scale, f_hz):
    assert mel_to_hz(hz_to_mel(f_hz, scale), scale) == pytest.approx(f_hz, rel=1e-9, abs=1e-7)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize("norm", [None, "slaney"])
@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "f_min", "f_max"),
    [(44_100, 2_048, 256, 0, 22_050), (44_100, 4_096, 128, 20, 20_000), (16_000, 512, 40, 300, 8_000)],
)
@pytest.mark.filterwarnings("ignore:Empty filters")
def test_bank_equals_librosas(scale, norm, rate, n_fft, n_mels, f_min, f_max):
    ours = mel_filterbank(rate, n_fft, n_mels, f_min, f_max, scale, norm)
    theirs = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max, htk=scale == "htk", norm=norm, dtype=np.float64
    )
    assert ours.shape == (n_mels, 1 + n_fft // 2)
    assert np.abs(ours - theirs).max() < 1e-6 * theirs.max()


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_neighbouring_filters_add_up_to_one(scale):
    bank = mel_filterbank(16_000, 4_096, 30, 100, 7_000, scale)
    bins_hz = np.linspace(0, 8_000, 2_049)
    peaks_hz = bins_hz[bank.argmax(axis=1)]
    between = (bins_hz > peaks_hz[0] + 5) & (bins_hz < peaks_hz[-1] - 5)
    assert np.abs(bank[:, between].sum(axis=0) - 1).max() < 1e-9


def test_slaney_norm_gives_each_filter_the_area_one():
    bank = mel_filterbank(16_000, 1 << 16, 20, 100, 7_000, "slaney", "slaney")
    assert np.allclose(bank.sum(axis=1) * 16_000 / (1 << 16), 1.0, atol=1e-3)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"f_max": 8_001.0}, r"f_max takes a frequency above 0 up to 8000 Hz \(half of sample_rate_hz\); 8001 came"),
        ({"f_max": float("nan")}, "f_max takes .*; nan came"),
        ({"f_max": 0.0}, "f_max takes .*; 0 came"),
        ({"f_min": 9_000.0}, r"f_min takes 0 Hz up to below f_max \(8000 Hz\); 9000 came"),
        ({"f_min": -1.0}, "f_min takes .*; -1 came"),
        ({"n_mels": 0}, r"n_mels takes 1 to 256 .*; 0 came"),
        ({"n_mels": 257}, "n_mels takes .*; 257 came"),
        ({"sample_rate_hz": 0}, "sample_rate_hz takes a rate above 0 Hz; 0 came"),
        ({"mel_norm": "area"}, "mel_norm takes 'slaney' or None; 'area' came"),
        ({"mel_scale": "bark"}, "^mel_filterbank has no mel_scale 'bark'; it takes htk, slaney"),
    ],
)
def test_numbers_out_of_range_are_told(numbers, text):
    settings = {"sample_rate_hz": 16_000, "n_fft": 512, "n_mels": 40, "f_min": 0.0, "f_max": 8_000.0} | numbers
    with pytest.raises(SettingError, match=text) as caught:
        mel_filterbank(**settings)
    assert str(caught.value).startswith("mel_filterbank")
    with pytest.raises(SettingError, match=r"^LogMel"):
        mel_filterbank(**settings, owner="LogMel")
