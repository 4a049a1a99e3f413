"""Power spectra: librosa, Parseval, the frames of a ramp of sines."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from tinyscene.dsp import amplitude, mirrored, power_spectrum

SOUND = torch.randn(2, 3_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("n_fft", "win_length", "hop_length"), [(512, 512, 128), (512, 400, 100), (256, 101, 97)])
def test_equals_librosa_with_reflected_ends(n_fft, win_length, hop_length):
    window = torch.hann_window(win_length, dtype=torch.float64)
    made = power_spectrum(SOUND, window, n_fft, hop_length)
    expected = librosa.stft(
        SOUND.numpy(), n_fft=n_fft, win_length=win_length, hop_length=hop_length, window="hann", pad_mode="reflect"
    )
    assert made.shape == (2, 1 + n_fft // 2, 1 + 3_000 // hop_length)
    assert np.allclose(made.numpy(), np.abs(expected) ** 2, rtol=1e-9, atol=1e-9)


def test_without_centring_it_equals_librosa():
    window = torch.hamming_window(400, dtype=torch.float64)
    made = power_spectrum(SOUND, window, 512, 100, center=False)
    expected = librosa.stft(SOUND.numpy(), n_fft=512, win_length=400, hop_length=100, window="hamming", center=False)
    assert made.shape == (2, 257, 1 + (3_000 - 512) // 100)
    assert np.allclose(made.numpy(), np.abs(expected) ** 2, rtol=1e-9, atol=1e-9)


def test_mirror_is_numpys_reflection():
    assert np.array_equal(mirrored(SOUND, 2_999), np.pad(SOUND, ((0, 0), (2_999, 2_999)), mode="reflect"))


def test_amplitude_is_a_root_with_a_gradient_at_zero():
    power = torch.tensor([0.0, 1e-12, 4.0], requires_grad=True)
    made = amplitude(power)
    made.sum().backward()
    assert torch.allclose(made, torch.tensor([0.0, 1e-6, 2.0]))
    assert power.grad is not None
    assert torch.allclose(power.grad, torch.tensor([0.0, 5e5, 0.25]))


def test_energy_of_a_frame_is_that_of_its_windowed_samples():
    """Parseval: the two-sided power sums to n_fft times the energy."""
    window = torch.hann_window(256, dtype=torch.float64)
    frame = power_spectrum(SOUND, window, 256, 256)[0, :, 3]
    two_sided = frame[0] + frame[-1] + 2 * frame[1:-1].sum()
    energy = ((SOUND[0, 3 * 256 - 128 : 3 * 256 + 128] * window) ** 2).sum()
    assert torch.isclose(two_sided, 256 * energy, rtol=1e-10)


def test_amplitude_of_a_silent_clip_has_a_finite_gradient():
    silence = torch.zeros(1, 1_000, requires_grad=True)
    amplitude(power_spectrum(silence, torch.hann_window(256), 256, 128)).sum().backward()
    assert silence.grad is not None
    assert torch.isfinite(silence.grad).all()
