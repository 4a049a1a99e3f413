"""How a clip is cut into decision windows: one rule for training's validation, evaluation and the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..errors import AudioError, SettingError
from .arguments import array, whole

# Digital silence: no sample further than one step of 16 bits from the middle, which is as far as dither goes. Range,
# not peak, so that a dead input with a constant offset counts too. Quieter 24-bit recordings hold no scene to hear.
SILENCE_RANGE = 2 / 32_768


def window_starts(n_samples: int, window: int, hop: int | None = None) -> list[int]:
    """First sample of each window of a clip of `n_samples`.

    Windows start every `hop` samples (by default the window's length) while they fit; a tail that no window
    reached gets one more, aligned to the clip's end. A clip shorter than one window has one, starting at 0.
    """
    n_samples, window = whole("n_samples", n_samples), whole("the window", window)
    hop = window if hop is None else whole("the hop", hop)
    if hop < 1:
        raise SettingError(f"the hop takes 1 sample or more; {hop} came.")
    if n_samples <= window:
        return [0]
    starts = list(range(0, n_samples - window + 1, hop))
    if starts[-1] + window < n_samples and hop <= window:
        starts.append(n_samples - window)
    return starts


def fill_window(waveform: np.ndarray, window: int) -> np.ndarray:
    """(..., time) repeated until it is at least `window` long: silence added instead would shift every statistic."""
    n_samples = array("fill_window", waveform).shape[-1] if np.ndim(waveform) else 0
    if n_samples >= whole("the window", window, 1):
        return waveform
    if not n_samples:
        raise AudioError("fill_window takes 1 sample or more to repeat; none came.")
    repeats = -(-window // n_samples)
    return np.concatenate([waveform] * repeats, axis=-1)[..., :window]


def sounding(windows: np.ndarray, quiet_db: float = 0.0) -> np.ndarray:
    """Which of a clip's (window, time) hold any sound, (window,) bool; all of them if none does.

    Recordings are padded with digital silence, which says nothing of a scene: such windows are left out of a clip's
    mean. So are, with `quiet_db`, those that many dB below its loudest.
    """
    heard = np.ptp(windows, axis=-1) > SILENCE_RANGE
    if quiet_db and heard.any():
        heard &= loud(power(windows), quiet_db)
    return heard if heard.any() else np.ones_like(heard)


def power(windows: np.ndarray) -> np.ndarray:
    """(window, time) -> (window,) the mean square of what varies in each, float64."""
    return windows.var(axis=-1, dtype=np.float64)


def loud(powers: np.ndarray, quiet_db: float) -> np.ndarray:
    """Which of a clip's windows are less than `quiet_db` below the loudest, (window,) bool; 0: all of them."""
    if not quiet_db:
        return np.ones(len(powers), dtype=bool)
    return powers >= powers.max(initial=0.0) * 10 ** (-quiet_db / 10)


def cut_windows(waveform: np.ndarray, window: int, hop: int | None = None) -> np.ndarray:
    """(time,) -> (windows, window), cut at `window_starts`."""
    filled = fill_window(waveform, window)
    starts = window_starts(waveform.shape[-1], window, hop)
    return np.stack([filled[start : start + window] for start in starts])


def windows_of_blocks(blocks: Iterable[np.ndarray], window: int, hop: int | None = None) -> Iterator[np.ndarray]:
    """The windows of `cut_windows`, one by one, of sound that comes in blocks (time,); what is past is let go.

    Each is a view, which holds until the next one is asked for.
    """
    hop = window if hop is None else hop
    kept, first, start = np.empty(0, np.float32), 0, 0  # samples, the number of the first of them, the next window's
    for block in blocks:
        gone = min(start, max(first + len(kept) - window, 0)) - first  # a last window reaches back from the end
        kept = np.concatenate([kept[gone:], block]) if len(kept) > gone else block
        first += gone
        while start + window <= first + len(kept):
            yield kept[start - first : start - first + window]
            start += hop
    n_samples = first + len(kept)
    if n_samples < window:
        yield fill_window(kept, window)
    elif start - hop + window < n_samples and hop <= window:
        yield kept[len(kept) - window :]
