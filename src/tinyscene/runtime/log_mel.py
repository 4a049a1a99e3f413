"""The log-mel spectrogram in numpy: what the device computes, equal to the front end the network was trained with."""

from __future__ import annotations

import numpy as np

from ..errors import SettingError
from .banded import banded
from .filterbanks import mel_filterbank
from .frames import (
    check_batch,
    check_filled,
    check_frame_sizes,
    check_mirrored,
    framed,
    magnitudes,
    mirrored,
    periodic_window,
    real_fft,
)
from .levels import LOGS, check_log


class LogMel:
    """waveform (batch, time) float32 -> un-normalised log-mel (batch, 1, n_mels, frame) float32.

    Frames of n_fft, every hop_length. `center` True: 1 + time // hop_length frames, the ends mirrored by n_fft // 2;
    False: 1 + (time - n_fft) // hop_length. A periodic `window` ("hann", "hamming") of win_length stands in the middle
    of n_fft. Magnitudes to the `power` of 2 or 1, `mel_filterbank`, then the logarithm: `log` "log10" and "ln" take
    x + floor, "db" is 10 log10(max(x, floor)). Sizes are in samples, f_min and f_max in Hz. Raises SettingError for
    numbers out of range, AudioError for a waveform that is too short.

    `quick_start` takes numpy's FFT: a fraction of a millisecond slower for each second of audio than scipy's, whose
    import takes 0.2 s. It is for one clip and done; both agree to the rounding of float32.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        n_fft: int,
        win_length: int,
        hop_length: int,
        n_mels: int,
        f_min: float,
        f_max: float,
        mel_scale: str = "htk",
        mel_norm: str | None = None,
        log: str = "log10",
        floor: float = 1e-10,
        window: str = "hann",
        center: bool = True,
        power: float = 2.0,
        quick_start: bool = False,
    ):
        check_log_mel(n_fft, win_length, hop_length, log, floor, power)
        self.n_fft, self.hop_length, self.n_mels = n_fft, hop_length, n_mels
        self.log, self.floor, self.center, self.power = log, floor, center, power
        self.window = periodic_window("LogMel", window, win_length).astype(np.float32)
        bank = mel_filterbank(sample_rate_hz, n_fft, n_mels, f_min, f_max, mel_scale, mel_norm, "LogMel")
        bank = bank.astype(np.float32)
        self._blocks = [(bands, bins, np.ascontiguousarray(bank[bands, bins])) for bands, bins in banded(bank)]
        self._rfft = real_fft(quick_start)

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        check_batch("LogMel", waveform)
        n_frames = count_frames(waveform.shape[1], self.n_fft, self.hop_length, self.center)
        mel = np.empty((len(waveform), 1, self.n_mels, n_frames), dtype=np.float32)
        start = (self.n_fft - len(self.window)) // 2  # the window's zeros have no part in the magnitudes
        # One clip at a time: its frames stay in the cache, and a batch cannot change a clip's last digits.
        for clip, target in zip(waveform.astype(np.float32, copy=False), mel[:, 0], strict=True):
            clip = mirrored(clip, self.n_fft // 2) if self.center else clip
            frames = framed(clip, len(self.window), self.hop_length, start, n_frames)
            for block, spectrum in magnitudes(frames, self.window, self.n_fft, self._rfft):
                if self.power == 2:
                    np.square(spectrum, out=spectrum)
                for bands, bins, weights in self._blocks:
                    np.matmul(weights, spectrum.T[bins], out=target[bands, block])
        return LOGS[self.log](mel, self.floor)


def count_frames(n_samples: int, n_fft: int, hop_length: int, center: bool) -> int:
    """Frames of LogMel for a clip; AudioError when the clip is too short."""
    if center:
        check_mirrored("LogMel", n_samples, n_fft)
        return 1 + n_samples // hop_length
    check_filled("LogMel", n_samples, n_fft, "n_fft, since center is False")
    return 1 + (n_samples - n_fft) // hop_length


def check_log_mel(n_fft: int, win_length: int, hop_length: int, log: str, floor: float, power: float) -> None:
    """SettingError naming the field of LogMel that is out of range; its window and bank check their own."""
    check_frame_sizes("LogMel", n_fft, win_length, hop_length)
    check_log("LogMel", log, floor)
    if power not in (1, 2):
        raise SettingError(f"LogMel.power takes 2 (power) or 1 (amplitude); {power} came.")
