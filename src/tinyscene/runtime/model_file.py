"""The model file: one ONNX file that says what it is (`tinyscene.model`) and whether it is whole (`tinyscene.sha256`).

Both are metadata strings of the ONNX file. The checksum is the SHA-256 of the file's bytes with its own 64 characters
replaced by 64 zeros, so any ONNX tool can still read the file, and a changed weight, label or constant is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from ..errors import ModelError, install
from .arguments import path_text
from .card_check import check_card
from .onnx_bytes import CutShort, NotOnnx, Value, metadata

FORMAT = 1
CARD_KEY, CHECKSUM_KEY = "tinyscene.model", "tinyscene.sha256"
NO_CHECKSUM = "0" * 64
LARGEST_FILE, LARGEST_CARD = 64 << 20, 4 << 20  # bytes: a hundred times what the published networks take
_AGAIN = "Copy or download it again."


_OFF = {"temperature": 1.0, "unknown_below": 0.0, "quiet_db": 0.0, "weights": ""}


@dataclass(frozen=True)
class ModelCard:
    """What a model file says of itself. Its JSON text is this, with "format" in front."""

    name: str
    system: str
    version: str  # of tinyscene, when the file was written
    form: str  # what the network takes: "features" or "waveform"
    precision: str  # of the weights: "float32", "float16" or "int8"
    labels: tuple[str, ...]  # in output order
    sample_rate_hz: int
    window_samples: int
    channels: str  # what a stereo clip becomes: "mean" or "first"
    frontend: Mapping[str, Any]  # constants of `front_end`; empty when form is "waveform"
    claims: Mapping[str, Any] = field(default_factory=dict)
    complexity: Mapping[str, Any] = field(default_factory=dict)  # parameters, bytes, macs
    hop_samples: int = 0  # from window to window of a clip; 0: side by side
    created: str = ""
    temperature: float = 1.0  # by which probabilities are softened (above 1) or sharpened; fitted on held-out clips
    unknown_below: float = 0.0  # the confidence below which a live scene is told as unknown
    quiet_db: float = 0.0  # windows so far below a clip's loudest are left out of its mean; 0: none
    weights: str = ""  # the checksum of the run's weights that it was made of

    def to_json(self) -> str:
        """The text of `tinyscene.model`; what says nothing is left out."""
        content = {key: value for key, value in asdict(self).items() if _OFF.get(key) != value}
        return json.dumps({"format": FORMAT, **content}, ensure_ascii=False, separators=(",", ":"))

    def metadata(self) -> dict[str, str]:
        """The two metadata strings an exporter adds to its ONNX file, in this order; `sealed` fills in the second."""
        return {CARD_KEY: self.to_json(), CHECKSUM_KEY: NO_CHECKSUM}


def checksum(data: bytes) -> str:
    """What `tinyscene.sha256` of the model file `data` must be, 64 hexadecimal characters."""
    return _checksum(data, _seal(data, _entries(data, "the model"), "the model"))


def sealed(data: bytes) -> bytes:
    """The model file `data` with its checksum filled in."""
    place = _seal(data, _entries(data, "the model"), "the model")
    return data[: place.start] + _checksum(data, place).encode() + data[place.start + 64 :]


def read_model_file(path: str | os.PathLike[str]) -> tuple[bytes, ModelCard]:
    """The bytes of a model file and its card, once the file is known to be ours, whole, unchanged and not too new.

    Raises ModelError, naming the file, when it is not.
    """
    name = path_text("read_model_file", path)
    data = file_bytes(name, "Check the name, or write one with `tinyscene export`.")
    entries = _entries(data, name)
    if CARD_KEY not in entries:
        raise ModelError(
            f"{name} is an ONNX file without {CARD_KEY}: it is not a tinyscene model, or its end is cut off. "
            "Write one with `tinyscene export`, or copy it again."
        )
    content = _json(entries[CARD_KEY].text)
    written = content.get("format") if content else None
    if isinstance(written, int) and written > FORMAT:  # before the checksum: a newer format may have another rule
        raise ModelError(
            f"{name} has the model format {written}; this version reads up to {FORMAT}. "
            f"Upgrade: git pull, then {install()}."
        )
    place = _seal(data, entries, name)
    if place.text.decode("ascii", "replace") != _checksum(data, place):
        raise ModelError(f"{name} was changed or damaged since it was written: its checksum does not fit. {_AGAIN}")
    return data, card_from(content, name)


def file_bytes(name: str, advice: str, what: str = "a tinyscene model file (.onnx)") -> bytes:
    """What is in a file of 1 to LARGEST_FILE bytes. Raises ModelError, naming it, for any other; `advice` if it is not
    there. A pipe or a device, which might never end, is not opened."""
    try:
        mode = os.stat(name).st_mode
        if not stat.S_ISREG(mode):
            kind = "folder" if stat.S_ISDIR(mode) else "pipe or a device"
            raise ModelError(f"{name} is a {kind}; {what} is taken. Name a file.")
        with open(name, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise ModelError(f"{name} does not exist; {what} is taken. {advice}") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{name} cannot be read ({reason}). Check its permissions and the disk.") from None
    if not data:
        raise ModelError(f"{name} is empty (0 bytes); {what} is taken. {_AGAIN}")
    if len(data) > LARGEST_FILE:
        raise ModelError(f"{name} is larger than {LARGEST_FILE:,} bytes, the most that is taken. Is it the right file?")
    return data


def _entries(data: bytes, name: str) -> dict[str, Value]:
    try:
        return metadata(data)
    except CutShort:
        raise ModelError(f"{name} is cut short: its last part runs past {len(data):,} bytes. {_AGAIN}") from None
    except NotOnnx:
        raise ModelError(
            f"{name} is not an ONNX file, or its bytes are damaged; a tinyscene model file is taken. "
            "Write one with `tinyscene export`, or copy it again."
        ) from None


def _seal(data: bytes, entries: Mapping[str, Value], name: str) -> Value:
    place = entries.get(CHECKSUM_KEY)
    if place is None or len(place.text) != 64:
        raise ModelError(f"{name} has no {CHECKSUM_KEY} of 64 characters: its end is cut off or changed. {_AGAIN}")
    return place


def _checksum(data: bytes, place: Value) -> str:
    digest = hashlib.sha256(memoryview(data)[: place.start])
    digest.update(NO_CHECKSUM.encode())
    digest.update(memoryview(data)[place.start + 64 :])
    return digest.hexdigest()


def _json(text: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(text) if len(text) <= LARGEST_CARD else None
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def card_from(content: dict[str, Any] | None, name: str) -> ModelCard:
    """The card in `content`; fields this version does not know are left out, missing ones are an error."""
    if content is None:
        raise ModelError(f"{name}: {CARD_KEY} is no JSON object. Export the model again.")
    needed = [item.name for item in fields(ModelCard) if item.default is MISSING and item.default_factory is MISSING]
    missing = [key for key in ("format", *needed) if key not in content]
    if missing:
        raise ModelError(
            f"{name}: {CARD_KEY} takes {', '.join(needed)}; it came without {', '.join(missing)}. "
            "Export the model again."
        )
    if content["format"] != FORMAT:
        raise ModelError(f"{name}: {CARD_KEY}.format takes {FORMAT}; {content['format']!r:.40} came. Export it again.")
    card = ModelCard(**{item.name: content[item.name] for item in fields(ModelCard) if item.name in content})
    for key, allowed in (
        ("form", ("features", "waveform")),
        ("precision", ("float32", "float16", "int8")),
        ("channels", ("mean", "first")),
    ):
        if getattr(card, key) not in allowed:
            raise ModelError(
                f"{name}: {CARD_KEY}.{key} takes {' or '.join(allowed)}; {getattr(card, key)!r} came. "
                "Export the model again."
            )
    check_card(name, card)
    object.__setattr__(card, "labels", tuple(card.labels))
    return card
