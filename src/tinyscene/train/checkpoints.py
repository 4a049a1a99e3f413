"""Checkpoints that are whole or not there, and cannot execute code when loaded."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from ..errors import ModelError
from ..files import write_whole


def save(state: Any, path: Path) -> None:
    """Write tensors and plain values under a temporary name, then rename.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, buffer.getbuffer())


def load(path: Path) -> Any:
    """Read what `save` wrote: tensors and plain values only, so a foreign file cannot run code.

    Raises:
        ModelError: no such file, cut, or holding anything but tensors and plain values.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols: what is wrong with the file is told below
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist; train the run to its end first (--resume continues it).") from None
    except Exception as error:  # torch's own words end in the advice to load it unsafely
        raise ModelError(
            f"{path} is no usable checkpoint: it is cut, or holds more than tensors and plain values "
            f"({type(error).__name__}). Delete it and train that stage again."
        ) from None


class SafeCheckpointIO(CheckpointIO):
    """Lightning's checkpoints by the two functions above."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        save(checkpoint, Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return load(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)
