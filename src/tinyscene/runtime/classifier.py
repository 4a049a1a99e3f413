"""A model file at work: clips in, decisions out, with numpy and onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from ..audio.resample import resample, resample_blocks
from ..errors import AudioError, ModelError, SettingError, TinysceneError, within
from .arguments import LONGEST_HOP_S, array, number, path_text, whole
from .card_check import LARGEST_MAP, feature_values
from .decision import UNKNOWN, at_temperature
from .hearing import Heard, missing_above, warn_of
from .model_file import ModelCard, read_model_file
from .session import NoRoom, Session
from .shipped import SHIPPED
from .sound import Clip, Path, given_waveform, is_waveform, opened
from .windows import SILENCE_RANGE, cut_windows, loud, power, window_starts, windows_of_blocks

# Windows that go through the network together: enough to keep it busy, few enough for a small device's memory.
_WINDOWS_AT_ONCE = 16
_FEATURES_AT_ONCE, _SAMPLES_AT_ONCE = 560_000, 1_500_000  # a network makes up to two hundred times as many of them
_ALMOST_ONE = 1.001  # a network's own rounding
_MOST_THREADS = 1_024


@dataclass(frozen=True)
class Decision:
    """The scene of one clip, or of one window of it. `top` holds {"label", "score"}, best first.

    `label` is "unknown" where the best score lies below the classifier's `unknown_below`.
    """

    file: str
    start_s: float
    end_s: float
    label: str
    score: float
    top: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """The decision as JSON holds it."""
        return asdict(self) | {"top": [dict(item) for item in self.top]}


class Classifier:
    """A model file, opened. `threads` is how many the network may use.

    `quick_start` saves 0.2 s of imports where only a few windows will come; then each takes a millisecond more.
    A decision less sure than `unknown_below`, 0 to 1, is "unknown" (None: than the file's card says).

    Raises ModelError when the file cannot be used, SettingError for a number out of range.
    """

    def __init__(self, path: Path, threads: int = 1, quick_start: bool = False, unknown_below: float | None = None):
        threads = whole("Classifier.threads", threads, 1, _MOST_THREADS)
        if unknown_below is not None:
            unknown_below = number("Classifier.unknown_below", unknown_below)
            within("Classifier.unknown_below", unknown_below, 0, 1)
        self.path = path_text("Classifier", path)
        data, self.card = read_model_file(self.path)
        self.unknown_below = self.card.unknown_below if unknown_below is None else unknown_below
        self._session = Session(self.path, data, threads)
        batch = _checked_batch(self._session, self.card)
        self._fixed = batch is not None
        at_once = min(_FEATURES_AT_ONCE // feature_values(self.card), _SAMPLES_AT_ONCE // self.card.window_samples)
        self._at_once = batch or min(max(at_once, 1), _WINDOWS_AT_ONCE)
        self._front_end = _front_end(self.path, self.card, quick_start)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in output order."""
        return self.card.labels

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """(window, window_samples) float at the model's rate -> (window, class) float32, rows that sum to 1.

        Each window's own, at the model's temperature; those of several together are `decided` from `raw` ones.
        """
        return self.decided(self.raw(windows)).astype(np.float32, copy=False)

    def decided(self, scores: np.ndarray) -> np.ndarray:
        """Raw probabilities (..., class), of a window or the mean of several -> those at the model's temperature.

        It was fitted on means over the windows of a clip (`tinyscene calibrate`), so it comes after the mean.
        """
        return at_temperature(array("Classifier.decided", scores), self.card.temperature)

    def raw(self, windows: np.ndarray) -> np.ndarray:
        """The network's own probabilities, as `probabilities` but for the temperature.

        Raises AudioError for windows that do not fit, ModelError for answers that are no probabilities.
        """
        windows = array(self.card.name, windows)
        if windows.ndim != 2 or windows.shape[1] != self.card.window_samples:
            raise AudioError(
                f"{self.card.name} takes windows of {self.card.window_samples} samples, (window, time); "
                f"{windows.shape} came. Cut them with Classifier.windows."
            )
        if not np.isfinite(windows).all():
            raise AudioError(f"{self.card.name} takes finite samples; NaN or infinite ones came. Mend them first.")
        windows, first = windows.astype(np.float32, copy=False), 0
        result = np.empty((len(windows), len(self.labels)), dtype=np.float32)
        while first < len(windows):
            part = self._filled(windows[first : first + self._at_once])
            try:
                answer = self._session.run("probabilities", **{self.card.form: self._front_end(part)})
            except NoRoom:
                if self._fixed or len(part) == 1:
                    raise
                self._at_once = len(part) // 2  # from now on: what was too much once will be again
                continue
            if answer.shape != (len(part), len(self.labels)) or not ((answer >= 0) & (answer <= _ALMOST_ONE)).all():
                raise ModelError(
                    f"{self.path}: the network takes {len(part)} windows and gives {len(self.labels)} probabilities "
                    f"for each; {answer.shape} came, or numbers that are none. Export the model again."
                )
            target = result[first : first + len(part)]
            target[:] = answer[: len(target)]
            first += len(target)
        return result

    def windows(self, waveform: np.ndarray, rate: int, hop_s: float | None = None) -> np.ndarray:
        """(time,) at `rate` Hz -> (window, window_samples) at the model's rate, one every `hop_s` (`cut_windows`).

        Raises AudioError for sound that `classify` refuses.
        """
        waveform, rate = given_waveform(waveform, rate, self.card.channels)
        at_rate = resample(waveform, rate, self.card.sample_rate_hz)
        return cut_windows(at_rate, self.card.window_samples, self.hop(hop_s))

    def classify(
        self, clip: Clip, hop_s: float | None = None, top_k: int = 3, each_window: bool = False
    ) -> list[Decision]:
        """Decisions for an audio file, or for (waveform, rate): one for the clip, or one for each window of it.

        A clip's probabilities are the mean of its sounding windows', of those within the card's `quiet_db` of the
        loudest; they start every `hop_s` seconds (None: the window's length). `top_k` is how many labels to list.
        Warns of silence, of clips shorter than the window, and of rates that leave out what the model hears.
        Raises AudioError for audio that cannot be used.
        """
        heard = self.hear(clip, hop_s, top_k, each_window)
        warn_of(heard, self.card)
        return list(heard.decisions)

    def hear(self, clip: Clip, hop_s: float | None = None, top_k: int = 3, each_window: bool = False) -> Heard:
        """`classify` without a warning: the decisions, and what there is to be warned of.

        A file is decoded, resampled and decided block by block: its length needs no memory but for the scores.
        """
        top_k = whole("top_k", top_k, 1)
        size, hop = self.card.window_samples, self.hop(hop_s)
        parts, levels = list[np.ndarray](), list[np.ndarray]()
        for which in (not each_window, False):  # the windows that hold sound; all of them if none does
            with opened(clip, self.card.channels) as sound:
                blocks = resample_blocks(sound.blocks(), sound.rate, self.card.sample_rate_hz)
                for scores, powers in self._scored(windows_of_blocks(blocks, size, hop), which):
                    parts.append(scores)
                    levels.append(powers)
            if parts:
                break
        rows = np.concatenate(parts)
        name, duration_s, rate = sound.name, sound.n_samples / sound.rate, self.card.sample_rate_hz
        if not each_window:
            heard = rows[loud(np.concatenate(levels), self.card.quiet_db)]
            decisions = [self._decision(name, 0.0, duration_s, heard.mean(axis=0, dtype=np.float64), top_k)]
        else:
            starts = window_starts(max(1, round(sound.n_samples * rate / sound.rate)), size, hop)
            decisions = [
                self._decision(name, start / rate, min((start + size) / rate, duration_s), row, top_k)
                for start, row in zip(starts, rows, strict=True)
            ]
        silent = sound.high - sound.low <= SILENCE_RANGE
        return Heard(tuple(decisions), name, duration_s, silent, missing_above(sound.rate, self.card))

    def _scored(self, windows: Iterator[np.ndarray], sounding: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Raw probabilities (window, class) and power (window,) of as many windows as go together.

        `sounding` leaves out digital silence.
        """
        windows = (window for window in windows if not sounding or np.ptp(window) > SILENCE_RANGE)
        while part := list(islice(windows, self._at_once)):
            together = np.stack(part) if len(part) > 1 else part[0][None]
            yield self.raw(together), power(together) if self.card.quiet_db else np.ones(len(together))

    def hop(self, hop_s: float | None) -> int | None:
        """Samples from window to window, at the model's rate; None: side by side."""
        if hop_s is None:
            return self.card.hop_samples or None
        rate = self.card.sample_rate_hz
        seconds = number("hop_s", hop_s)
        if not 1 <= seconds * rate <= LONGEST_HOP_S * rate:
            raise SettingError(
                f"hop_s takes seconds, one sample ({1 / rate:.2g} s) or more, up to {LONGEST_HOP_S:,.0f}; "
                f"{seconds:g} came."
            )
        return round(seconds * rate)

    def _filled(self, part: np.ndarray) -> np.ndarray:
        """A network of fixed batch size gets the last windows padded with copies."""
        missing = self._at_once - len(part) if self._fixed else 0
        return np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part

    def _decision(self, name: str, start_s: float, end_s: float, scores: np.ndarray, top_k: int) -> Decision:
        scores = self.decided(scores)
        best = np.argsort(-scores, kind="stable")[:top_k]
        top = tuple({"label": self.labels[i], "score": float(scores[i])} for i in best)
        score = top[0]["score"]
        label = top[0]["label"] if score >= self.unknown_below else UNKNOWN
        return Decision(name, start_s, end_s, label, score, top)


def classify(
    files: Clip | Iterable[Clip],
    model: Path | Classifier | None = None,
    hop_s: float | None = None,
    top_k: int = 3,
    each_window: bool = False,
) -> list[dict[str, Any]]:
    """Decisions for one audio file or many, as plain dicts: file, start_s, end_s, label, score, top.

    `model` is a model file, or a Classifier already open; None: the one that comes with tinyscene, which knows the ten
    sounds of ESC-10. Everything else as `Classifier.classify`.
    """
    many = isinstance(files, Iterable) and not isinstance(files, (str, bytes, os.PathLike, np.ndarray))
    one = is_waveform(files) or not many
    classifier = model if isinstance(model, Classifier) else Classifier(model or SHIPPED, quick_start=one)
    clips: Iterable[Any] = [files] if one else files  # type: ignore[list-item]
    return [decision.to_dict() for clip in clips for decision in classifier.classify(clip, hop_s, top_k, each_window)]


def _checked_batch(session: Session, card: ModelCard) -> int | None:
    """How many windows the network takes at once (None: any number), once it is the one that the card describes."""
    name, gives = session.name, session.outputs
    if len(session.inputs) != 1 or session.inputs[0][0] != card.form or "probabilities" not in gives:
        raise ModelError(
            f"{name}: the network takes an input '{card.form}' and gives an output 'probabilities'; "
            f"'{', '.join(key for key, _ in session.inputs)}' and {', '.join(gives)} came. Export the model again."
        )
    n_classes = gives["probabilities"][-1] if gives["probabilities"] else None
    if isinstance(n_classes, int) and n_classes != len(card.labels):
        raise ModelError(f"{name} has {len(card.labels)} labels for {n_classes} outputs. Export the model again.")
    batch = (session.inputs[0][1] or [None])[0]
    if not isinstance(batch, int):
        return None
    if not 1 <= batch * max(card.window_samples, feature_values(card)) <= LARGEST_MAP:
        raise ModelError(f"{name}: the network takes {batch:,} windows at once, too many. Export the model again.")
    return batch


def _front_end(name: str, card: ModelCard, quick_start: bool) -> Any:
    if card.form == "waveform":
        return lambda waveform: waveform
    from .front_end import front_end

    try:
        return front_end(card.frontend, quick_start)
    except TinysceneError as error:
        raise ModelError(f"{name}: {error}") from None
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ModelError(f"{name}: its front end cannot be made ({error}). Export the model again.") from None
