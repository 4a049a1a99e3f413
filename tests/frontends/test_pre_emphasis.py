"""Pre-emphasis: scipy's filter, the closed form of its magnitude, the mirrored start, its twin."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from tinyscene.errors import AudioError, SettingError
from tinyscene.frontends import FrontEnd, LogMel, PreEmphasis
from tinyscene.runtime.front_end import front_end as numpy_twin
from tinyscene.runtime.pre_emphasis import PreEmphasis as Twin
from tinyscene.spec import Spec

SOUND = 0.1 * torch.randn(3, 4_000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.97, 1.0])
def test_equals_scipys_filter_after_a_mirrored_start(coefficient):
    made = PreEmphasis(coefficient)(SOUND)
    sound = SOUND.double().numpy()
    padded = np.pad(sound, ((0, 0), (1, 0)), mode="reflect")
    expected = np.asarray(scipy.signal.lfilter([1, -coefficient], [1], padded))[:, 1:]
    assert (made.shape, made.dtype) == (SOUND.shape, torch.float32)
    assert np.abs(made.numpy() - expected).max() < 1e-6
    assert np.abs(Twin(coefficient)(SOUND.numpy()) - expected).max() < 1e-6


@pytest.mark.parametrize("turns", [0, 0.01, 0.2, 0.5])  # of a circle each sample
def test_gain_of_a_sine_is_the_closed_form(turns):
    sine = torch.cos(2 * torch.pi * turns * torch.arange(1_000, dtype=torch.float64))[None]
    gain = PreEmphasis(0.97)(sine)[:, 1:].square().mean().sqrt() / sine[:, 1:].square().mean().sqrt()
    assert gain.item() == pytest.approx(abs(1 - 0.97 * np.exp(-2j * np.pi * turns)), rel=2e-3)


def test_the_input_is_left_as_it_was():
    before = SOUND.clone()
    PreEmphasis()(SOUND)
    Twin()(SOUND.numpy())
    assert torch.equal(SOUND, before)


def test_before_a_log_mel_it_equals_its_twin():
    mel = Spec(
        LogMel, sample_rate_hz=8_000, n_fft=256, win_length=256, hop_length=128, n_mels=20, f_min=0.0, f_max=4_000.0
    )
    spec = Spec(FrontEnd, spectral=mel, waveform=(Spec(PreEmphasis),))
    made, plain = spec.build()(SOUND).numpy(), Spec(FrontEnd, spectral=mel).build()(SOUND).numpy()
    np.testing.assert_allclose(numpy_twin(spec.constants())(SOUND.numpy()), made, atol=1e-4, rtol=1e-4)
    assert (made - plain)[:, 0, 0].mean() < -1  # the lowest band falls, the highest rises
    assert (made - plain)[:, 0, -1].mean() > 0.4


@pytest.mark.parametrize("cls", [PreEmphasis, Twin])
@pytest.mark.parametrize("coefficient", [-0.1, 1.1, float("nan")])
def test_a_coefficient_out_of_range_is_told(cls, coefficient):
    with pytest.raises(SettingError, match=r"PreEmphasis.coefficient takes 0 to 1; .* came"):
        cls(coefficient)


def test_one_sample_is_told():
    with pytest.raises(AudioError, match=r"PreEmphasis takes 2 samples or more .*; 1 came"):
        PreEmphasis()(SOUND[:, :1])
    with pytest.raises(AudioError, match=r"PreEmphasis takes 2 samples or more .*; 1 came"):
        Twin()(SOUND[:, :1].numpy())
