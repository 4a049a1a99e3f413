"""What a model's card may say: each of its numbers lies in a range, and together they ask for no gigabyte.

A checksum says that a file is whole, not that its writer meant well: whoever changes a card can seal it again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    from .model_file import ModelCard

LARGEST_WINDOW = 1 << 21  # samples: 47 s at 44.1 kHz
LARGEST_MAP = 1 << 23  # numbers of one window's features: 32 MB
LARGEST_BANK = 1 << 23  # numbers of a filter bank
_LONGEST_TEXT, _MOST_LABELS, _MOST_STEPS = 1_000, 4_096, 16

# By the names of their constants, whichever class of the front end has them.
_SIZES = {
    "sample_rate_hz": (2_000, 192_000),
    "n_fft": (2, 1 << 16),
    "win_length": (1, 1 << 16),
    "hop_length": (1, 1 << 20),
    "n_mels": (1, 4_096),
    "n_bands": (1, 4_096),
    "order": (1, 2),
    "times": (1, 64),
    "n_frames": (1, 1 << 21),
    "start": (0, 1 << 21),
}
_LARGEST_NUMBER = 1e9  # of what has no range of its own: frequencies, floors, widths, fitted means


def check_card(name: str, card: ModelCard) -> None:
    """ModelError, naming the file `name`, unless the card is one that this runtime can work with."""
    for key in ("name", "system", "version", "created", "weights"):
        _text(f"{name}: tinyscene.model.{key}", getattr(card, key))
    where = f"{name}: tinyscene.model.labels"
    if not isinstance(card.labels, (list, tuple)) or not 1 <= len(card.labels) <= _MOST_LABELS:
        raise _wrong(where, f"a list of 1 to {_MOST_LABELS:,} labels", card.labels)
    for label in card.labels:
        _text(where, label, least=1)
    if len(set(card.labels)) != len(card.labels):
        raise _wrong(where, "each label once", card.labels)
    _size(f"{name}: tinyscene.model.sample_rate_hz", card.sample_rate_hz, *_SIZES["sample_rate_hz"])
    _size(f"{name}: tinyscene.model.window_samples", card.window_samples, 1, LARGEST_WINDOW)
    if card.hop_samples != 0 or isinstance(card.hop_samples, bool):
        # The least is a 1024th: a hop of one sample would make a clip of minutes a day's work.
        _size(f"{name}: tinyscene.model.hop_samples", card.hop_samples, -(-card.window_samples // 1024), 1 << 31)
    _number(f"{name}: tinyscene.model.temperature", card.temperature, 0.05, 20)
    _number(f"{name}: tinyscene.model.unknown_below", card.unknown_below, 0, 1)
    _number(f"{name}: tinyscene.model.quiet_db", card.quiet_db, 0, 120)
    for key in ("frontend", "claims", "complexity"):
        value = getattr(card, key)
        if not isinstance(value, Mapping):
            raise _wrong(f"{name}: tinyscene.model.{key}", "an object", value)
        if key == "frontend" and card.form == "features":
            _check_front_end(f"{name}: tinyscene.model.frontend", card)
        _values(f"{name}: tinyscene.model.{key}", value, depth=8)


def feature_values(card: ModelCard) -> int:
    """At most so many numbers the front end makes of a window; 1 where the network has its own."""
    if card.form == "waveform":
        return 1
    spectral, finish = card.frontend.get("spectral", {}), _steps(card.frontend.get("finish", ()))
    bands = max((spectral.get(key, 1) for key in ("n_mels", "n_bands")), default=1)
    values = bands * (2 + card.window_samples // spectral.get("hop_length", 1))
    for step in finish:
        values *= step.get("times", 1) * (3 if "Deltas" in str(step.get("class")) else 1)  # deltas make up to 3 of one
    return values


def _check_front_end(where: str, card: ModelCard) -> None:
    groups = {key: card.frontend.get(key, ()) for key in ("waveform", "finish")}
    for key, steps in groups.items():
        if not isinstance(steps, (list, tuple)) or len(steps) > _MOST_STEPS:
            raise _wrong(f"{where}.{key}", f"a list of up to {_MOST_STEPS} steps", steps)
    spectral = card.frontend.get("spectral", {})
    for step in ({"class": None} if not isinstance(spectral, Mapping) else spectral, *_steps(groups["finish"])):
        for key, (low, high) in _SIZES.items():
            if key in step:
                _size(f"{where}.{key}", step[key], low, high)
    if not isinstance(spectral, Mapping):
        return  # `front_end` says what it takes
    bands = max((spectral.get(key, 1) for key in ("n_mels", "n_bands")), default=1)
    if bands * spectral.get("n_fft", 1) > 2 * LARGEST_BANK:
        raise _wrong(where, f"a filter bank of up to {LARGEST_BANK:,} numbers", bands * spectral["n_fft"] // 2)
    if spectral.get("class") == "GammatoneBank":  # it works on whole spectra, of several bands at once
        _size(f"{where}: window_samples", card.window_samples, 1, LARGEST_WINDOW // 2)
    if feature_values(card) > LARGEST_MAP:
        raise _wrong(where, f"sizes that make up to {LARGEST_MAP:,} numbers of a window", feature_values(card))


def _steps(steps: Iterable[Any]) -> list[Mapping[str, Any]]:
    return [step for step in steps if isinstance(step, Mapping)]


def _values(where: str, value: Any, depth: int) -> None:
    """Texts that a terminal can show and numbers of ordinary size, not too deep in each other."""
    if depth == 0:
        raise _wrong(where, "objects and lists within each other up to 8 deep", "deeper ones")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _text(where, key)
            _values(f"{where}.{key}", inner, depth - 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _values(where, inner, depth - 1)
    elif isinstance(value, str):
        _text(where, value)
    elif value is not None and not isinstance(value, bool):
        largest = math.inf if ".frontend" not in where else _LARGEST_NUMBER
        _number(where, value, -largest, largest)


def _text(where: str, value: Any, least: int = 0) -> None:
    """What goes to a terminal must not steer it."""
    if not isinstance(value, str) or not least <= len(value) <= _LONGEST_TEXT or not value.isprintable():
        raise _wrong(where, f"{least} to {_LONGEST_TEXT} printable characters", value)


def _size(where: str, value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise _wrong(where, f"a whole number from {low:,} to {high:,}", value)


def _number(where: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(where, "a number", value)
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(where, "a finite number", value)
    if not low <= value <= high:
        raise _wrong(where, f"{low:g} to {high:g}", value)


def _wrong(where: str, takes: str, came: Any) -> ModelError:
    return ModelError(f"{where} takes {takes}; {ascii(came)[:80]} came. Export the model again.")
