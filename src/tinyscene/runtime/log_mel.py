"""The log-mel spectrogram in numpy: what the device computes, equal to the front end the network was trained with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import AudioError, SettingError, unknown
from .filterbanks import mel_filterbank

# Neighbouring mel bands share most of their FFT bins and see no others, so the filter bank is multiplied in blocks of
# this many bands: a tenth of the work of the full matrix, at full BLAS speed.
_BANDS_PER_BLOCK = 16

LOGS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    # log10 and dB by way of the natural logarithm, which numpy vectorises.
    "log10": lambda x, floor: np.log(x + np.float32(floor)) * np.float32(1.0 / np.log(10.0)),
    "ln": lambda x, floor: np.log(x + np.float32(floor)),
    "db": lambda x, floor: np.log(np.maximum(x, np.float32(floor))) * np.float32(10.0 / np.log(10.0)),
}


class LogMel:
    """waveform (batch, time) float32 -> un-normalised log-mel (batch, 1, n_mels, 1 + time // hop_length) float32.

    Centred frames (reflect padding of n_fft // 2), a periodic Hann window of win_length in the middle of n_fft, power
    spectrum, `mel_filterbank`, then the logarithm: `log` "log10" and "ln" take x + floor, "db" is
    10 log10(max(x, floor)). Sizes are in samples, f_min and f_max in Hz. Raises SettingError for numbers out of
    range, AudioError for a waveform that is too short to be padded.

    `quick_start` takes numpy's FFT: a millisecond slower for each second of audio than scipy's, whose import takes
    0.2 s. It is for one clip and done; both agree to the rounding of float32.
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
        mel_scale: str,
        mel_norm: str | None,
        log: str,
        floor: float,
        quick_start: bool = False,
    ):
        if log not in LOGS:
            raise unknown("LogMel", "log", log, LOGS)
        check_frame_sizes("LogMel", n_fft, win_length, hop_length)
        self.n_fft, self.hop_length, self.n_mels = n_fft, hop_length, n_mels
        self.log, self.floor = log, floor
        self.window = padded_hann(win_length, n_fft)
        bank = mel_filterbank(sample_rate_hz, n_fft, n_mels, f_min, f_max, mel_scale, mel_norm)
        self._blocks = _banded(bank.astype(np.float32))
        self._rfft = _fft(quick_start)

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        if waveform.ndim != 2:
            raise AudioError(f"LogMel takes waveforms (batch, time); {waveform.shape} came.")
        n_frames = 1 + waveform.shape[1] // self.hop_length
        mel = np.empty((len(waveform), 1, self.n_mels, n_frames), dtype=np.float32)
        # One clip at a time: its frames stay in the cache, and a batch cannot change a clip's last digits.
        for clip, target in zip(waveform, mel, strict=True):
            power = power_spectrum(clip, self.window, self.hop_length, self._rfft).T
            for bands, bins, weights in self._blocks:
                np.matmul(weights, power[bins], out=target[0, bands])
        return LOGS[self.log](mel, self.floor)


def check_frame_sizes(owner: str, n_fft: int, win_length: int, hop_length: int) -> None:
    """SettingError unless 1 <= win_length <= n_fft, n_fft is even and at least 2, and hop_length >= 1."""
    if n_fft < 2 or n_fft % 2:
        raise SettingError(f"{owner}.n_fft takes an even number of samples, 2 or more; {n_fft} came.")
    if not 1 <= win_length <= n_fft:
        raise SettingError(f"{owner}.win_length takes 1 to {n_fft} samples (n_fft); {win_length} came.")
    if hop_length < 1:
        raise SettingError(f"{owner}.hop_length takes 1 sample or more; {hop_length} came.")


def padded_hann(win_length: int, n_fft: int) -> np.ndarray:
    """Periodic Hann window of win_length with zeros on both sides up to n_fft, (n_fft,) float32, as torch.stft pads."""
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(win_length) / win_length)
    left = (n_fft - win_length) // 2
    return np.pad(hann, (left, n_fft - win_length - left)).astype(np.float32)


def _fft(quick_start: bool) -> Callable[[np.ndarray], np.ndarray]:
    if quick_start:
        return np.fft.rfft
    import scipy.fft

    return scipy.fft.rfft  # type: ignore[return-value]  # scipy leaves its array type open


def power_spectrum(
    clip: np.ndarray, window: np.ndarray, hop_length: int, rfft: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """(time,) -> (frame, frequency) float32: squared magnitude of the unnormalised DFT of centred, windowed frames."""
    n_fft, half = len(window), len(window) // 2
    if len(clip) <= half:
        raise AudioError(
            f"the front end takes clips longer than {half} samples (half of n_fft {n_fft}), since their ends are "
            f"mirrored; {len(clip)} came. Repeat or join short clips (fill_window)."
        )
    clip = np.asarray(clip, dtype=np.float32)
    padded = np.concatenate([clip[half:0:-1], clip, clip[-2 : -half - 2 : -1]])
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length] * window
    spectrum = rfft(frames)
    return np.square(np.real(spectrum)) + np.square(np.imag(spectrum))


def _banded(bank: np.ndarray) -> list[tuple[slice, slice, np.ndarray]]:
    """The bank (band, frequency) as blocks (bands, bins, weights): every weight outside the blocks is 0."""
    blocks = []
    for first in range(0, len(bank), _BANDS_PER_BLOCK):
        bands = slice(first, min(first + _BANDS_PER_BLOCK, len(bank)))
        used = np.flatnonzero(bank[bands].any(axis=0))
        bins = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
        blocks.append((bands, bins, np.ascontiguousarray(bank[bands, bins])))
    return blocks
