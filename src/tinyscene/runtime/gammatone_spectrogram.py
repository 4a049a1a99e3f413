"""The gammatone-like spectrogram of report 003, as the network was trained with it."""

from __future__ import annotations

import numpy as np

from .frames import (
    check_batch,
    check_filled,
    check_frame_sizes,
    framed,
    magnitudes,
    periodic_window,
    real_fft,
)
from .gammatone_filters import check_gammatone, gammatone_weights
from .levels import check_floor


class GammatoneSpectrogram:
    """waveform (batch, time) float32 -> (batch, 1, n_bands, (time - win_length) // hop_length) float32, in dB.

    20 log10(y + floor), y = `gammatone_weights` @ |STFT| / n_fft. Frame k is a periodic Hann window of win_length on
    the samples from k * hop_length, zero-padded to n_fft. Sizes are in samples, f_min and f_max in Hz. Raises
    SettingError for numbers out of range, AudioError for a waveform that is too short; `quick_start` is as LogMel says.
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
        quick_start: bool = False,
    ):
        check_gammatone_spectrogram(sample_rate_hz, n_fft, win_length, hop_length, n_bands, f_min, f_max, width, floor)
        self.n_fft, self.hop_length, self.floor = n_fft, hop_length, np.float32(floor)
        self.window = periodic_window("GammatoneSpectrogram", "hann", win_length).astype(np.float32)
        weights = gammatone_weights(sample_rate_hz, n_fft, n_bands, f_min, f_max, width) / n_fft
        self.weights = weights.astype(np.float32)
        self._rfft = real_fft(quick_start)

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        check_batch("GammatoneSpectrogram", waveform)
        n_frames = count_frames(waveform.shape[1], len(self.window), self.hop_length)
        bands = np.empty((len(waveform), 1, len(self.weights), n_frames), dtype=np.float32)
        for clip, target in zip(waveform.astype(np.float32, copy=False), bands[:, 0], strict=True):
            frames = framed(clip, len(self.window), self.hop_length, 0, n_frames)
            for block, spectrum in magnitudes(frames, self.window, self.n_fft, self._rfft):
                np.matmul(self.weights, spectrum.T, out=target[:, block])
        bands += self.floor
        return np.log(bands, out=bands) * np.float32(20.0 / np.log(10.0))


def count_frames(n_samples: int, win_length: int, hop_length: int) -> int:
    """Frames of GammatoneSpectrogram for a clip; AudioError when there is none."""
    check_filled("GammatoneSpectrogram", n_samples, win_length + hop_length, "win_length and hop_length")
    return (n_samples - win_length) // hop_length


def check_gammatone_spectrogram(
    sample_rate_hz: int,
    n_fft: int,
    win_length: int,
    hop_length: int,
    n_bands: int,
    f_min: float,
    f_max: float,
    width: float,
    floor: float,
) -> None:
    """SettingError naming the field of GammatoneSpectrogram that is out of range."""
    check_frame_sizes("GammatoneSpectrogram", n_fft, win_length, hop_length)
    check_gammatone("GammatoneSpectrogram", sample_rate_hz, n_bands, f_min, f_max, width)
    check_floor("GammatoneSpectrogram", floor)
