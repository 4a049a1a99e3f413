"""Gammatone filters, computed in float64: centres and bandwidths on the ERB scale, and two responses of order 4."""

from __future__ import annotations

import numpy as np

from ..errors import SettingError, within
from .filterbanks import check_edges

# Glasberg and Moore (1990) as Slaney (1993) writes them: the ear's quality at high frequencies, its least width in Hz.
EAR_Q, MIN_WIDTH_HZ = 9.26449, 24.7


def erb_hz(f_hz: np.ndarray | float) -> np.ndarray:
    """Equivalent rectangular bandwidth of the ear at f_hz, in Hz."""
    return np.asarray(f_hz, dtype=np.float64) / EAR_Q + MIN_WIDTH_HZ


def gammatone_centres_hz(n_bands: int, f_min: float, f_max: float) -> np.ndarray:
    """(n_bands,) Hz, rising from f_min in equal steps of the ERB scale; the step after the last would be f_max.

    Slaney (1993), Apple technical report 35, ERBSpace.
    """
    corner = EAR_Q * MIN_WIDTH_HZ
    steps = np.arange(n_bands, 0, -1) / n_bands
    return -corner + (f_max + corner) * ((f_min + corner) / (f_max + corner)) ** steps


def gammatone_weights(
    sample_rate_hz: int, n_fft: int, n_bands: int, f_min: float, f_max: float, width: float = 1.0
) -> np.ndarray:
    """(n_bands, 1 + n_fft // 2) float64 for an amplitude spectrum: Ellis' "fft2gammatonemx", lowest band first.

    Each row is the magnitude response of Slaney's digital filter, four poles and their mirror images of one radius and
    four real zeros, at gain 1 on its centre. `width` multiplies the bandwidths.
    """
    centre = gammatone_centres_hz(n_bands, f_min, f_max)[:, None]
    decay = np.exp(-2.0 * np.pi * 1.019 * width * erb_hz(centre) / sample_rate_hz)
    angle = 2.0 * np.pi * centre / sample_rate_hz
    slopes = [sign * np.sqrt(3.0 + root * 2.0**1.5) for root in (1, -1) for sign in (1, -1)]
    zeros = [decay * (np.cos(angle) + slope * np.sin(angle)) for slope in slopes]
    pole = decay * np.exp(1j * angle)

    def magnitude(at: np.ndarray) -> np.ndarray:
        numerator = np.prod([np.abs(at - zero) for zero in zeros], axis=0)
        return numerator / np.abs((at - pole) * (at - pole.conj())) ** 4

    bins = np.exp(2j * np.pi * np.arange(1 + n_fft // 2) / n_fft)
    return magnitude(bins) / magnitude(np.exp(1j * angle))


def check_gammatone(owner: str, sample_rate_hz: int, n_bands: int, f_min: float, f_max: float, width: float) -> None:
    """SettingError naming the field that is out of range."""
    check_edges(owner, sample_rate_hz, f_min, f_max)
    within(f"{owner}.n_bands", n_bands, 1)
    if not 0 < width < np.inf:
        raise SettingError(f"{owner}.width takes a factor above 0; {width} came.")
