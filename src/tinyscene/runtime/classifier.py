"""A model file at work: clips in, decisions out, with numpy and onnxruntime."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnxruntime

from ..audio.resample import resample
from ..errors import AudioError, ModelError, SettingError
from .model_file import ModelCard, read_model_file
from .windows import SILENCE_RANGE, cut_windows, sounding, window_starts

# Windows that go through the network together: enough to keep it busy, few enough for a small device's memory.
_WINDOWS_AT_ONCE = 16

Path = str | os.PathLike[str]
Clip = Path | tuple[np.ndarray, int]


class SilenceWarning(UserWarning):
    """A clip that holds digital silence: its answer means nothing."""


class ShortClipWarning(UserWarning):
    """A clip shorter than the model's window, which was repeated to fill it."""


@dataclass(frozen=True)
class Decision:
    """The scene of one clip, or of one window of it. `top` holds {"label", "score"}, best first."""

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

    Raises ModelError when the file cannot be used.
    """

    def __init__(self, path: Path, threads: int = 1, quick_start: bool = False):
        if threads < 1:
            raise SettingError(f"Classifier.threads takes 1 or more; {threads} came.")
        self.path = os.fspath(path)
        data, self.card = read_model_file(path)
        self._session = _session(self.path, data, threads)
        takes = self._session.get_inputs()[0]
        _check_network(self.path, self._session, self.card)
        self._fixed = isinstance(takes.shape[0], int)
        self._at_once: int = takes.shape[0] if self._fixed else _WINDOWS_AT_ONCE
        self._front_end = _front_end(self.card, quick_start)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in output order."""
        return self.card.labels

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """(window, window_samples) float at the model's rate -> (window, class) float32, rows that sum to 1."""
        if windows.ndim != 2 or windows.shape[1] != self.card.window_samples:
            raise AudioError(
                f"{self.card.name} takes windows of {self.card.window_samples} samples, (window, time); "
                f"{windows.shape} came. Cut them with Classifier.windows."
            )
        if not np.isfinite(windows).all():
            raise AudioError(f"{self.card.name} takes finite samples; NaN or infinite ones came. Mend them first.")
        windows = windows.astype(np.float32, copy=False)
        result = np.empty((len(windows), len(self.labels)), dtype=np.float32)
        for first in range(0, len(windows), self._at_once):
            part = self._filled(windows[first : first + self._at_once])
            (answer,) = self._session.run(["probabilities"], {self.card.form: self._front_end(part)})
            target = result[first : first + self._at_once]
            target[:] = np.asarray(answer)[: len(target)]
        return result

    def windows(self, waveform: np.ndarray, rate: int, hop_s: float | None = None) -> np.ndarray:
        """(time,) at `rate` Hz -> (window, window_samples) at the model's rate, one every `hop_s` (`cut_windows`)."""
        at_rate = resample(waveform, rate, self.card.sample_rate_hz)
        return cut_windows(at_rate, self.card.window_samples, self.hop(hop_s))

    def classify(
        self, clip: Clip, hop_s: float | None = None, top_k: int = 3, each_window: bool = False
    ) -> list[Decision]:
        """Decisions for an audio file, or for (waveform, rate): one for the clip, or one for each window of it.

        A clip's probabilities are the mean of its sounding windows', which start every `hop_s` seconds (None: the
        window's length). `top_k` is how many labels to list. Warns of silence and of clips shorter than the window.
        Raises AudioError for audio that cannot be used.
        """
        if top_k < 1:
            raise SettingError(f"top_k takes 1 or more; {top_k} came.")
        name, waveform, rate = _loaded(clip, self.card.channels)
        self._warn(name, waveform, rate)
        duration_s = len(waveform) / rate
        model_rate, size, hop = self.card.sample_rate_hz, self.card.window_samples, self.hop(hop_s)
        at_rate = resample(waveform, rate, model_rate)
        windows = cut_windows(at_rate, size, hop)
        if not each_window:
            scores = self.probabilities(windows[sounding(windows)]).mean(axis=0, dtype=np.float64)
            return [self._decision(name, 0.0, duration_s, scores, top_k)]
        scores = self.probabilities(windows)
        return [
            self._decision(name, start / model_rate, min((start + size) / model_rate, duration_s), row, top_k)
            for start, row in zip(window_starts(len(at_rate), size, hop), scores, strict=True)
        ]

    def hop(self, hop_s: float | None) -> int | None:
        """Samples from window to window, at the model's rate; None: side by side."""
        if hop_s is None and self.card.hop_samples:
            return self.card.hop_samples
        if hop_s is None:
            return None
        if not hop_s * self.card.sample_rate_hz >= 1 or hop_s == float("inf"):
            raise SettingError(
                f"hop_s takes seconds, one sample ({1 / self.card.sample_rate_hz:.2g} s) or more; {hop_s:g} came."
            )
        return round(hop_s * self.card.sample_rate_hz)

    def _filled(self, part: np.ndarray) -> np.ndarray:
        """A network of fixed batch size gets the last windows padded with copies."""
        missing = self._at_once - len(part) if self._fixed else 0
        return np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part

    def _decision(self, name: str, start_s: float, end_s: float, scores: np.ndarray, top_k: int) -> Decision:
        best = np.argsort(-scores, kind="stable")[:top_k]
        top = tuple({"label": self.labels[i], "score": float(scores[i])} for i in best)
        return Decision(name, start_s, end_s, top[0]["label"], top[0]["score"], top)

    def _warn(self, name: str, waveform: np.ndarray, rate: int) -> None:
        where = name or "the clip"
        if float(waveform.max() - waveform.min()) <= SILENCE_RANGE:
            warnings.warn(f"{where} is digital silence; its scene is a guess. Check the recording.", SilenceWarning, 3)
        window_s = self.card.window_samples / self.card.sample_rate_hz
        if len(waveform) / rate < window_s * (1 - 1e-3):
            warnings.warn(
                f"{where} lasts {len(waveform) / rate:.3g} s and was repeated to fill the window of {window_s:.3g} s. "
                "Record longer for a surer answer.",
                ShortClipWarning,
                3,
            )


def classify(
    files: Clip | Iterable[Clip],
    model: Path | Classifier,
    hop_s: float | None = None,
    top_k: int = 3,
    each_window: bool = False,
) -> list[dict[str, Any]]:
    """Decisions for one audio file or many, as plain dicts: file, start_s, end_s, label, score, top.

    `model` is a model file, or a Classifier already open. Everything else as `Classifier.classify`.
    """
    one = isinstance(files, (str, os.PathLike)) or _is_waveform(files)
    classifier = model if isinstance(model, Classifier) else Classifier(model, quick_start=one)
    clips: Iterable[Any] = [files] if one else files  # type: ignore[list-item]
    return [decision.to_dict() for clip in clips for decision in classifier.classify(clip, hop_s, top_k, each_window)]


def _session(name: str, data: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: its warnings are about optimisations, nothing to act on
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads would drain a battery
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no public class
        raise ModelError(
            f"{name} cannot be run by onnxruntime {onnxruntime.__version__} ({' '.join(str(error).split())}). "
            "Upgrade onnxruntime or export the model again."
        ) from None
    return session


def _check_network(name: str, session: onnxruntime.InferenceSession, card: ModelCard) -> None:
    """That the network is the one the card describes."""
    takes = session.get_inputs()[0].name
    gives = {output.name: output.shape[-1] for output in session.get_outputs()}
    n_classes = gives.get("probabilities")
    if takes != card.form or "probabilities" not in gives:
        raise ModelError(
            f"{name}: the network takes an input '{card.form}' and gives an output 'probabilities'; '{takes}' and "
            f"{', '.join(gives)} came. Export the model again."
        )
    if isinstance(n_classes, int) and n_classes != len(card.labels):
        raise ModelError(f"{name} has {len(card.labels)} labels for {n_classes} outputs. Export the model again.")


def _front_end(card: ModelCard, quick_start: bool) -> Any:
    if card.form == "waveform":
        return lambda waveform: waveform
    from .front_end import front_end

    return front_end(card.frontend, quick_start)


def _is_waveform(clip: object) -> bool:
    return isinstance(clip, tuple) and len(clip) == 2 and isinstance(clip[0], np.ndarray)


def _loaded(clip: Clip, channels: str) -> tuple[str, np.ndarray, int]:
    """(name, mono waveform, rate) of a file, or of (waveform, rate) given as such; its name is then ''."""
    from ..audio import decode

    if isinstance(clip, (str, os.PathLike)):
        return os.fspath(clip), *decode.read_audio(clip, channels)
    if not _is_waveform(clip):
        raise AudioError(f"an audio file or (waveform, rate) is taken; {type(clip).__name__} came.")
    waveform, rate = clip
    return "", decode.checked_waveform(waveform, rate, channels), rate
