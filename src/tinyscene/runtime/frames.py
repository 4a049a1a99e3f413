"""Windowed frames of a clip and their spectra: what every short-time step on the device shares, and its checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..errors import AudioError, SettingError, unknown
from .arguments import array

WINDOWS = {"hann": 0.5, "hamming": 0.54}  # name -> mean of its raised cosine
_FRAMES_AT_ONCE = 64  # as many as stay in the cache from the window to the filter bank


def check_frame_sizes(owner: str, n_fft: int, win_length: int, hop_length: int) -> None:
    """SettingError unless 1 <= win_length <= n_fft, n_fft is even and at least 2, and hop_length >= 1."""
    if n_fft < 2 or n_fft % 2:
        raise SettingError(f"{owner}.n_fft takes an even number of samples from 2; {n_fft} came.")
    if not 1 <= win_length <= n_fft:
        raise SettingError(f"{owner}.win_length takes 1 to {n_fft} samples (n_fft); {win_length} came.")
    if hop_length < 1:
        raise SettingError(f"{owner}.hop_length takes 1 sample or more; {hop_length} came.")


def check_batch(owner: str, waveform: np.ndarray) -> None:
    """AudioError unless waveforms are (batch, time)."""
    if array(owner, waveform).ndim != 2:
        raise AudioError(f"{owner} takes waveforms (batch, time); {waveform.shape} came.")


def check_mirrored(owner: str, n_samples: int, n_fft: int) -> None:
    """AudioError when a clip is too short for its ends to be mirrored by half of n_fft."""
    if n_samples <= n_fft // 2:
        raise AudioError(
            f"{owner} takes more than {n_fft // 2} samples (half of n_fft {n_fft}), since their ends are mirrored; "
            f"{n_samples} came. Lower n_fft, lengthen task.window_s or repeat short clips (fill_window)."
        )


def check_filled(owner: str, n_samples: int, least: int, what: str) -> None:
    """AudioError when a clip is shorter than the `least` samples of `what`."""
    if n_samples < least:
        raise AudioError(
            f"{owner} takes {least} samples or more ({what}); {n_samples} came. "
            "Lengthen task.window_s or repeat short clips (fill_window)."
        )


def periodic_window(owner: str, name: str, win_length: int) -> np.ndarray:
    """The window of one period, (win_length,) float64: torch.hann_window or torch.hamming_window."""
    if name not in WINDOWS:
        raise unknown(owner, "window", name, WINDOWS)
    mean = WINDOWS[name]
    return mean - (1.0 - mean) * np.cos(2.0 * np.pi * np.arange(win_length) / win_length)


def mirrored(clip: np.ndarray, n_samples: int) -> np.ndarray:
    """(time,) with `n_samples` more on both sides, reflected without the end sample itself."""
    return np.concatenate([clip[n_samples:0:-1], clip, clip[-2 : -n_samples - 2 : -1]])


def framed(clip: np.ndarray, length: int, hop_length: int, start: int = 0, n_frames: int | None = None) -> np.ndarray:
    """Frames of (time,) as a view (frame, length), read only by custom: the first begins at `start`.

    As many as fit, or `n_frames` of them. A view by hand costs a twentieth of numpy's sliding_window_view; like it,
    it refuses frames beyond the clip's end.
    """
    clip = np.ascontiguousarray(clip)
    if n_frames is None:
        n_frames = 1 + (len(clip) - start - length) // hop_length
    size = clip.itemsize
    return np.ndarray((n_frames, length), clip.dtype, clip, start * size, (hop_length * size, size))


def magnitudes(
    frames: np.ndarray, window: np.ndarray, n_fft: int, rfft: Callable[..., np.ndarray]
) -> Iterator[tuple[slice, np.ndarray]]:
    """(frame, length) -> blocks (frames, magnitudes (frame, 1 + n_fft // 2)) of the un-normalised DFT, in order."""
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        block = slice(first, min(first + _FRAMES_AT_ONCE, len(frames)))
        yield block, np.abs(rfft(frames[block] * window, n_fft))


def real_fft(quick_start: bool) -> Callable[..., np.ndarray]:
    """scipy's FFT, or numpy's: half as fast, but scipy's import takes 0.2 s."""
    if quick_start:
        return np.fft.rfft
    import scipy.fft

    return scipy.fft.rfft  # type: ignore[return-value]  # scipy leaves its array type open
