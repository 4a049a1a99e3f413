"""Power spectra: librosa, Parseval, the frames of a ramp of sines."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from tinyscene.dsp import power_spectrum

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


def test_energy_of_a_frame_is_that_of_its_windowed_samples():
    """Parseval: the two-sided power sums to n_fft times the energy."""
    window = torch.hann_window(256, dtype=torch.float64)
    frame = power_spectrum(SOUND, window, 256, 256)[0, :, 3]
    two_sided = frame[0] + frame[-1] + 2 * frame[1:-1].sum()
    energy = ((SOUND[0, 3 * 256 - 128 : 3 * 256 + 128] * window) ** 2).sum()
    assert torch.isclose(two_sided, 256 * energy, rtol=1e-10)
