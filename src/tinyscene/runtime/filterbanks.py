"""Filter banks, computed in float64 once. They live in the runtime because the device has to build them too."""

from __future__ import annotations

import numpy as np

from ..errors import SettingError, unknown

SCALES = ("htk", "slaney")


def hz_to_mel(f_hz: np.ndarray | float, scale: str) -> np.ndarray:
    """Hertz to mel. "htk": 2595 log10(1 + f/700). "slaney": linear to 1 kHz, then logarithmic (Auditory Toolbox)."""
    f_hz = np.asarray(f_hz, dtype=np.float64)
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + f_hz / 700.0)
    if scale == "slaney":
        log_part = 15.0 + 27.0 * np.log(np.maximum(f_hz, 1e-10) / 1000.0) / np.log(6.4)
        return np.where(f_hz < 1000.0, f_hz * 3.0 / 200.0, log_part)
    raise SettingError(f"mel_scale takes 'htk' or 'slaney'; '{scale}' came.")


def mel_to_hz(mel: np.ndarray | float, scale: str) -> np.ndarray:
    """The inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    if scale == "slaney":
        return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp(np.log(6.4) * (mel - 15.0) / 27.0))
    raise SettingError(f"mel_scale takes 'htk' or 'slaney'; '{scale}' came.")


def mel_filterbank(
    sample_rate_hz: int,
    n_fft: int,
    n_mels: int,
    f_min: float,
    f_max: float,
    mel_scale: str = "htk",
    mel_norm: str | None = None,
    owner: str = "mel_filterbank",
) -> np.ndarray:
    """Triangular filters, (n_mels, 1 + n_fft // 2) float64, for a power spectrum.

    Corners are equally spaced in mel from f_min to f_max. `mel_norm` "slaney" divides each filter by half its
    width in Hz, so that all have the same area; None leaves their peaks at 1. `owner` is whose settings they are.

    Raises:
        SettingError: naming the field that is out of range.
    """
    check_edges(owner, sample_rate_hz, f_min, f_max)
    if not 1 <= n_mels <= n_fft // 2:
        raise SettingError(f"{owner}.n_mels takes 1 to {n_fft // 2} (half of n_fft {n_fft}); {n_mels} came.")
    if mel_scale not in SCALES:
        raise unknown(owner, "mel_scale", mel_scale, SCALES)
    if mel_norm not in (None, "slaney"):
        raise SettingError(f"{owner}.mel_norm takes 'slaney' or None; '{mel_norm}' came.")
    bins_hz = np.linspace(0.0, sample_rate_hz / 2, 1 + n_fft // 2)
    mels = np.linspace(hz_to_mel(f_min, mel_scale), hz_to_mel(f_max, mel_scale), n_mels + 2)
    corners_hz = mel_to_hz(mels, mel_scale)
    low, centre, high = corners_hz[:-2, None], corners_hz[1:-1, None], corners_hz[2:, None]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    bank = np.maximum(0.0, np.minimum(rising, falling))
    return bank * (2.0 / (high - low)) if mel_norm == "slaney" else bank


def check_edges(owner: str, sample_rate_hz: int, f_min: float, f_max: float) -> None:
    """SettingError unless 0 <= f_min < f_max <= half of a sample rate above 0."""
    if not sample_rate_hz > 0:
        raise SettingError(f"{owner}.sample_rate_hz takes a rate above 0 Hz; {sample_rate_hz} came.")
    if not 0 < f_max <= sample_rate_hz / 2:
        raise SettingError(
            f"{owner}.f_max takes a frequency above 0 up to {sample_rate_hz / 2:g} Hz (half of sample_rate_hz); "
            f"{f_max:g} came."
        )
    if not 0 <= f_min < f_max:
        raise SettingError(f"{owner}.f_min takes 0 Hz up to below f_max ({f_max:g} Hz); {f_min:g} came.")
