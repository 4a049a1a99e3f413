"""The true gammatone filter bank, as the network was trained with it."""

from __future__ import annotations

import numpy as np

from ..errors import within
from .frames import check_batch, check_filled
from .gammatone_filters import check_gammatone, erb_hz, gammatone_centres_hz
from .levels import LOGS, check_log

BANDS_AT_ONCE = 8  # a second at 44.1 kHz is 4 MB of envelopes
_DECAY = 24.0  # nepers after which a filter's tail counts for nothing: 120 dB below its peak, t^3 taken in


class GammatoneBank:
    """waveform (batch, time) float32 -> (batch, 1, n_bands, 1 + (time - win_length) // hop_length) float32.

    Squared envelopes of complex 4th-order gammatone filters, averaged over frames, then the logarithm `log` of LogMel.
    Sizes are in samples, f_min and f_max in Hz. Raises SettingError for numbers out of range, AudioError for a
    waveform shorter than win_length. `quick_start` is as LogMel says.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        win_length: int,
        hop_length: int,
        n_bands: int,
        f_min: float,
        f_max: float,
        log: str = "log10",
        floor: float = 1e-10,
        quick_start: bool = False,
    ):
        check_gammatone_bank(sample_rate_hz, win_length, hop_length, n_bands, f_min, f_max, log, floor)
        self.sample_rate_hz, self.win_length, self.hop_length = sample_rate_hz, win_length, hop_length
        self.f_min, self.log, self.floor = f_min, log, floor
        self.centres_hz = gammatone_centres_hz(n_bands, f_min, f_max)
        if quick_start:
            self._fft = np.fft
        else:
            import scipy.fft

            self._fft = scipy.fft

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        check_batch("GammatoneBank", waveform)
        n_samples = waveform.shape[1]
        n = transform_length(n_samples, self.sample_rate_hz, self.f_min, self.win_length)
        n_frames = 1 + (n_samples - self.win_length) // self.hop_length
        starts = np.arange(n_frames) * self.hop_length
        f_hz = np.arange(n // 2 + 1) * (self.sample_rate_hz / n)
        powers = np.empty((len(waveform), 1, len(self.centres_hz), n_frames), dtype=np.float32)
        spectra = np.asarray(self._fft.rfft(2.0 * waveform.astype(np.float32, copy=False), n))  # twice: one side alone
        for first in range(0, len(self.centres_hz), BANDS_AT_ONCE):
            bands = slice(first, first + BANDS_AT_ONCE)
            centre = self.centres_hz[bands, None]
            root = 1.0 / (1.0 + 1j * ((f_hz - centre) / bandwidths_hz(centre)).astype(np.float32))
            response = np.square(np.square(root))
            for spectrum, target in zip(spectra, powers[:, 0], strict=True):
                envelope = np.asarray(self._fft.ifft(spectrum * response, n))[:, :n_samples]
                squared = np.square(np.real(envelope)) + np.square(np.imag(envelope))
                summed = np.pad(np.cumsum(squared, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
                target[bands] = (summed[:, starts + self.win_length] - summed[:, starts]) / self.win_length
        return LOGS[self.log](powers, self.floor)


def bandwidths_hz(centres_hz: np.ndarray) -> np.ndarray:
    """b of a 4th-order gammatone with the ear's equivalent rectangular bandwidth (Patterson 1987): 1.019 ERB."""
    return 1.019 * erb_hz(centres_hz)


def transform_length(n_samples: int, sample_rate_hz: int, f_min: float, win_length: int) -> int:
    """A power of two that holds the clip and the tail of its narrowest filter, so that no end rings into a start.

    AudioError for a clip shorter than one frame.
    """
    check_filled("GammatoneBank", n_samples, win_length, "win_length")
    tail_s = _DECAY / (2.0 * np.pi * float(bandwidths_hz(np.asarray(f_min))))
    return 1 << int(np.ceil(np.log2(n_samples + tail_s * sample_rate_hz)))


def check_gammatone_bank(
    sample_rate_hz: int,
    win_length: int,
    hop_length: int,
    n_bands: int,
    f_min: float,
    f_max: float,
    log: str,
    floor: float,
) -> None:
    """SettingError naming the field of GammatoneBank that is out of range."""
    within("GammatoneBank.win_length", win_length, 1)
    within("GammatoneBank.hop_length", hop_length, 1)
    check_gammatone("GammatoneBank", sample_rate_hz, n_bands, f_min, f_max, 1.0)
    check_log("GammatoneBank", log, floor)
