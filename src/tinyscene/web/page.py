"""The files of the page, as `make web` built them, with a model beside."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ModelError, TinysceneError

BUILT = Path(__file__).parent / "built"
MODEL = "model.onnx"  # the page asks for it once, beside itself
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".onnx": "application/octet-stream",
}


class NotBuilt(TinysceneError):
    """The page's files are not there."""


def page_files(model: str | os.PathLike[str]) -> dict[str, bytes]:
    """Every file of the page by its path below it, "assets/..." with slashes, the model among them.

    Raises ModelError when the page could not run the model, NotBuilt when the page was not built.
    """
    data = checked_model(model)
    if not (BUILT / "index.html").is_file():
        raise NotBuilt(
            f"the page is not built: {BUILT} holds no index.html. In a clone run `make web` (it needs Node 20.19 or "
            "newer); a wheel of tinyscene has it."
        )
    paths = sorted(path for path in BUILT.rglob("*") if path.is_file() and path.suffix in TYPES)
    return {path.relative_to(BUILT).as_posix(): path.read_bytes() for path in paths} | {MODEL: data}


def checked_model(model: str | os.PathLike[str]) -> bytes:
    """The bytes of a model file that takes sound, once it has been opened. Raises ModelError."""
    from ..runtime.classifier import Classifier
    from ..runtime.model_file import read_model_file

    data, card = read_model_file(model)
    if card.form != "waveform":
        raise ModelError(
            f"{os.fspath(model)} takes {card.form}; the page takes a model of sound. Write one with "
            "`tinyscene export RUN --form waveform`."
        )
    Classifier(model)  # opens the network: what the page would refuse is refused here
    return data
