"""A model file on endless sound: blocks of any size in, one decision every hop out, the windows those of a file."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import AudioError, SettingError
from .arguments import array, shown, whole
from .classifier import Classifier
from .decision import UNKNOWN
from .sound import given_waveform
from .windows import SILENCE_RANGE, fill_window

LOWEST_DBFS = -120.0  # levels end here: silence has no logarithm
_MOST_SMOOTH = 100_000  # decisions
FULL_SCALE = 32_767 / 32_768  # the largest positive sample of 16 bits


@dataclass(frozen=True)
class StreamDecision:
    """The scene of one window. Digital silence has no scene: its label is None, its score 0 and `scores` empty.

    `scores` holds every class, smoothed; `score` is the best of them, also where `label` is "unknown". `level_dbfs`
    is the window's root mean square about its mean, 0 for full scale, as the model hears it; `clipped` the share of
    samples, as they came, of which a channel stood at full scale.
    """

    start_s: float
    end_s: float
    label: str | None
    score: float
    scores: dict[str, float]
    level_dbfs: float
    clipped: float

    def to_dict(self) -> dict[str, Any]:
        """The decision as JSON holds it."""
        return asdict(self)


class Stream:
    """Decisions on sound that comes in blocks, one every `hop_s` seconds (None: as `Classifier.classify`).

    Blocks end to end give the windows of `Classifier.windows` on the whole, sample for sample: soxr's stream makes
    what it makes of a file. Where rates differ it looks ahead: at sources from 16 kHz on, decisions come up to 0.16 s
    late. However long the sound lasts, a window and a block are kept.

    A decision's scores are the mean over the last `smooth` windows that hold sound; below the classifier's
    `unknown_below` its label is "unknown". Digital silence is no decision and enters no mean.
    """

    def __init__(
        self,
        classifier: Classifier,
        hop_s: float | None = None,
        smooth: int = 1,
    ):
        if not isinstance(classifier, Classifier):
            raise SettingError(f"Stream takes a Classifier; {shown(classifier)} came. Open one: Classifier(FILE).")
        smooth = whole("Stream.smooth", smooth, 1, _MOST_SMOOTH)
        self.classifier = classifier
        self.window = classifier.card.window_samples
        self.hop = classifier.hop(hop_s) or self.window
        self._last: deque[np.ndarray] = deque(maxlen=smooth)
        self._begin()

    def feed(self, block: np.ndarray, rate: int) -> list[StreamDecision]:
        """The decisions that (time,) or (time, channel) floats at `rate` Hz, full scale -1..1, complete.

        Two channels become one as the model's card says. Raises AudioError for blocks that cannot be used and for a
        rate that changes; the stream then stands as before.
        """
        block, rate = array("a block", block), whole("the sample rate", rate, error=AudioError)
        if block.ndim not in (1, 2) or (block.ndim == 2 and block.shape[1] not in (1, 2)):
            raise AudioError(f"a block takes the shape (time,) or (time, 1 or 2 channels); {block.shape} came.")
        if self._rate not in (None, rate):
            raise AudioError(f"the stream began at {self._rate} Hz; {rate} Hz came. Flush it before the rate changes.")
        if len(block) == 0:
            return []
        waveform, rate = given_waveform(block.T, rate, self.classifier.card.channels)
        if self._rate is None:
            self._rate, self._resampler = rate, _resampler(rate, self.classifier.card.sample_rate_hz)
        loudest = np.abs(block) if block.ndim == 1 else np.abs(block).max(axis=1)
        self._clipped.append(loudest >= FULL_SCALE)
        self._sound.append(self._resampler.resample_chunk(waveform) if self._resampler else waveform)
        return self._decided(self._sound.end)

    def flush(self) -> list[StreamDecision]:
        """The decisions of the end, as those of a file that ends here; the stream then begins anew, at 0 s.

        A tail that no window reached gets one aligned to the end; sound shorter than a window is repeated to fill it.
        """
        came = self._clipped.end
        if self._rate is None or came == 0:
            return []
        if self._resampler:
            self._sound.append(self._resampler.resample_chunk(np.empty(0, np.float32), last=True))
        # As long as audio.resample makes it: soxr rounds halves up, round() to even.
        length = max(1, round(came * self.classifier.card.sample_rate_hz / self._rate))
        self._sound.append(np.zeros(max(length - self._sound.end, 0), np.float32))
        decisions = self._decided(length)
        if length < self.window:
            decisions.append(self._decision(0, fill_window(self._sound.part(0, length), self.window)))
        elif self._next - self.hop + self.window < length and self.hop <= self.window:
            start = length - self.window
            decisions.append(self._decision(start, self._sound.part(start, length)))
        self._last.clear()
        self._begin()
        return decisions

    def _begin(self) -> None:
        self._rate: int | None = None
        self._resampler: Any = None
        self._sound = _Newest(np.float32)  # at the model's rate
        self._clipped = _Newest(np.bool_)  # as it came
        self._next = 0  # where the next window starts

    def _decided(self, end: int) -> list[StreamDecision]:
        """Decisions of the windows that are whole once `end` samples at the model's rate are known."""
        decisions = []
        while self._next + self.window <= end:
            decisions.append(self._decision(self._next, self._sound.part(self._next, self._next + self.window)))
            self._next += self.hop
        # The last window of all is aligned to the end: nothing before it, or before the next one, is needed.
        needed = min(self._next, max(end - self.window, 0))
        self._sound.forget(needed)
        self._clipped.forget(self._came(needed))
        return decisions

    def _came(self, sample: int) -> int:
        """Which sample of what came stands where `sample` does at the model's rate."""
        assert self._rate is not None
        return sample * self._rate // self.classifier.card.sample_rate_hz

    def _decision(self, start: int, window: np.ndarray) -> StreamDecision:
        assert self._rate is not None
        rate, n_came = self.classifier.card.sample_rate_hz, self._clipped.end
        end_s = min((start + self.window) / rate, n_came / self._rate)
        clipped = self._clipped.part(self._came(start), min(self._came(start + self.window), n_came))
        level = 20 * math.log10(max(float(np.std(window, dtype=np.float64)), 10 ** (LOWEST_DBFS / 20)))
        label: str | None = None
        score, scores = 0.0, dict[str, float]()
        if np.ptp(window) > SILENCE_RANGE:
            self._last.append(self.classifier.raw(window[None])[0])
            mean = self.classifier.decided(np.stack(self._last).mean(axis=0, dtype=np.float64))
            scores = dict(zip(self.classifier.labels, mean.tolist(), strict=True))
            score = float(mean.max())
            label = self.classifier.labels[int(mean.argmax())] if score >= self.classifier.unknown_below else UNKNOWN
        return StreamDecision(start / rate, end_s, label, score, scores, level, float(clipped.mean()))


class _Newest:
    """The newest values of an endless row, found by their number since its beginning."""

    def __init__(self, kind: type[np.generic]):
        self._room = np.empty(0, kind)
        self._from = self._to = 0  # what is kept, in the room
        self._first = 0  # the number of the first one kept

    @property
    def end(self) -> int:
        """How many there have been."""
        return self._first + self._to - self._from

    def append(self, values: np.ndarray) -> None:
        if self._to + len(values) > len(self._room):
            kept = self._room[self._from : self._to]
            room = np.empty(2 * (len(kept) + len(values)), self._room.dtype)  # half stays free: copies are rare
            room[: len(kept)] = kept
            self._room, self._from, self._to = room, 0, len(kept)
        self._room[self._to : self._to + len(values)] = values
        self._to += len(values)

    def forget(self, before: int) -> None:
        """Keep those from number `before` on."""
        n = max(before - self._first, 0)
        self._from, self._first = self._from + n, self._first + n

    def part(self, start: int, end: int) -> np.ndarray:
        """Numbers start to end - 1, which must be kept still."""
        return self._room[self._from + start - self._first : self._from + end - self._first]


def _resampler(rate_from: int, rate_to: int) -> Any:
    """soxr's stream of the recipe of `audio.resample`; None when the rates are equal."""
    if rate_from == rate_to:
        return None
    import soxr

    return soxr.ResampleStream(rate_from, rate_to, 1, dtype="float32", quality="HQ")
