"""Libraries that write to the terminal past Python are kept silent."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that anyone prints meanwhile reaches the terminal; errors come as exceptions all the same."""
    kept: list[tuple[int, int]] = []
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        _flush()
        for number in (1, 2):
            try:
                kept.append((number, os.dup(number)))
            except OSError:  # a service that has no terminal
                continue
            os.dup2(nowhere, number)
        yield
    finally:
        _flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
