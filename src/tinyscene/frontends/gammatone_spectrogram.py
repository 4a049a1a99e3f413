"""Spectral step of report 003: the gammatone-like spectrogram of Ellis' fast method."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..dsp import FilterBank, amplitude, power_spectrum
from ..runtime.frames import periodic_window
from ..runtime.gammatone_filters import gammatone_weights
from ..runtime.gammatone_spectrogram import check_gammatone_spectrogram, count_frames


class GammatoneSpectrogram(nn.Module):
    """Waveform (batch, time) in -1..1 -> (batch, 1, n_bands, frame) in dB, frame = (time - win_length) // hop_length.

    Report 003, section 2: 20 log10(y + floor), y = weights @ |STFT| / n_fft, in the amplitude domain. The weights are
    the magnitudes of Slaney's 4th-order gammatone filters at the bins of the transform. Frame k is the periodic Hann
    window of win_length on samples from k * hop_length, with zeros on both sides up to n_fft. The report counts 428
    frames in 10 s at 44.1 kHz; Ellis' code, whose frames are n_fft long, has the same ones without the first.

    Args:
        sample_rate_hz: rate of the waveform.
        n_fft, win_length, hop_length: samples; win_length <= n_fft.
        n_bands: bands, their centres spaced evenly on the ERB scale from f_min up to one step below f_max, in Hz.
        width: factor of the bandwidths.
        floor: smallest amplitude told from silence.

    Raises:
        SettingError: naming the field that is out of range.
        AudioError: a waveform too short for one frame.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        n_fft: int,
        win_length: int,
        hop_length: int,
        n_bands: int,
        f_min: float,
        f_max: float,
        width: float = 1.0,
        floor: float = 1e-7,
    ):
        super().__init__()
        check_gammatone_spectrogram(sample_rate_hz, n_fft, win_length, hop_length, n_bands, f_min, f_max, width, floor)
        self.n_fft, self.win_length, self.hop_length, self.floor = n_fft, win_length, hop_length, floor
        window = torch.from_numpy(periodic_window("GammatoneSpectrogram", "hann", win_length))
        self.register_buffer("window", window.float(), persistent=False)
        self.window: Tensor
        self.bank = FilterBank(gammatone_weights(sample_rate_hz, n_fft, n_bands, f_min, f_max, width) / n_fft)

    def forward(self, waveform: Tensor) -> Tensor:
        return self.bands(self.spectrum(waveform))

    def spectrum(self, waveform: Tensor) -> Tensor:
        """(batch, time) -> power spectrum (batch, 1 + n_fft // 2, frame)."""
        n_samples = waveform.shape[-1]
        n_frames = count_frames(n_samples, self.win_length, self.hop_length)
        before = (self.n_fft - self.win_length) // 2
        after = (n_frames - 1) * self.hop_length + self.n_fft - before - n_samples  # negative: cuts the rest
        return power_spectrum(F.pad(waveform, (before, after)), self.window, self.n_fft, self.hop_length, False)

    def bands(self, power: Tensor) -> Tensor:
        """Power spectrum (batch, 1 + n_fft // 2, frame) -> (batch, 1, n_bands, frame)."""
        return 20.0 * torch.log10(self.bank(amplitude(power))[:, None] + self.floor)
