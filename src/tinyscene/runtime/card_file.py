"""The card beside a model file that is not ONNX: FILE.json says what it is, what it takes and how to decide."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..errors import ModelError, install
from .arguments import path_text
from .model_file import FORMAT, ModelCard, card_from, file_bytes

_AGAIN = "Copy both files again."


def card_path(path: str | os.PathLike[str]) -> str:
    """Where the card of a model file lies: its name and ".json"."""
    return f"{os.fspath(path)}.json"


def card_text(card: ModelCard, data: bytes, more: Mapping[str, Any]) -> str:
    """The JSON text beside the model file `data`: the card, `more` (input, output, decision), and its SHA-256."""
    content = {"format": FORMAT, **asdict(card), **more, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def read_with_card(path: str | os.PathLike[str], ending: str) -> tuple[bytes, ModelCard, dict[str, Any]]:
    """(the bytes of the model file, its card, the card's whole content), once the two belong together.

    Raises ModelError, naming the file, when one is missing, too large, damaged, or not the other's.
    """
    name = path_text(f"a {ending} model", path)
    if not name.endswith(ending):
        raise ModelError(f"{name} is taken for a {ending} file by its name. Name a {ending} file.")
    advice = f"Check the name, or write one with `tinyscene export RUN --format {ending[1:]}`."
    data = file_bytes(name, advice, f"a {ending} model file")
    beside = card_path(name)
    text = file_bytes(beside, f"It lies beside {os.path.basename(name)} and says what that is: copy both.", "a card")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ModelError(f"{beside} holds no JSON object. {_AGAIN}")
    written = content.get("format")
    if isinstance(written, int) and written > FORMAT:
        raise ModelError(
            f"{beside} has the model format {written}; this version reads up to {FORMAT}. "
            f"Upgrade: git pull, then {install()}."
        )
    if content.get("sha256") != hashlib.sha256(data).hexdigest():
        raise ModelError(f"{name} was changed since {beside} was written, or is another's: the sums differ. {_AGAIN}")
    card = card_from(content, beside)
    if card.form != "features":
        raise ModelError(f"{beside}: form takes features; '{card.form}' came. Export the model again.")
    return data, card, content


def part(content: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    """An object inside a card; ModelError where there is none."""
    found = content.get(key)
    if not isinstance(found, dict):
        raise ModelError(f"{card_path(name)} has no object '{key}'. Export the model again.")
    return found
