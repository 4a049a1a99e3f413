"""What a classifier listens to, an audio file or a waveform: mono blocks, and what is known once they have passed."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import numpy as np

from ..errors import AudioError
from .arguments import array, whole

Path = str | os.PathLike[str]
Clip = Path | tuple[np.ndarray, int]


class Sound:
    """A clip's mono blocks, and what is known of it once they have passed."""

    def __init__(self, name: str, rate: int, blocks: Iterator[np.ndarray]):
        self.name, self.rate, self._blocks = name, rate, blocks
        self.n_samples, self.low, self.high = 0, np.inf, -np.inf

    def blocks(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self.n_samples += len(block)
            self.low, self.high = min(self.low, float(block.min())), max(self.high, float(block.max()))
            yield block


def is_waveform(clip: object) -> bool:
    """Whether it is meant as (waveform, rate), whatever these are: two paths or two such pairs are clips."""
    return isinstance(clip, tuple) and len(clip) == 2 and not isinstance(clip[0], (str, os.PathLike, tuple))


def given_waveform(waveform: np.ndarray, rate: int, channels: str) -> tuple[np.ndarray, int]:
    """Sound that somebody hands over, (time,) or (channel, time), as (time,) float32 and its rate.

    Raises AudioError for what cannot be used.
    """
    from ..audio import decode

    rate = whole("the sample rate", rate, error=AudioError)
    return decode.checked_waveform(array("a waveform", waveform), rate, channels), rate


@contextmanager
def opened(clip: Clip, channels: str) -> Generator[Sound, None, None]:
    """The sound of a file, or of (waveform, rate) given as such; its name is then ''."""
    from ..audio import decode

    if isinstance(clip, (str, os.PathLike)):
        name = os.fspath(clip)
        with decode.audio_blocks(clip) as audio:
            yield Sound(name, audio.rate, (decode.mono(block, channels, name) for block in audio.blocks))
    elif is_waveform(clip):
        waveform, rate = given_waveform(*clip, channels)
        yield Sound("", rate, iter([waveform]))
    else:
        raise AudioError(f"an audio file or (waveform, rate) is taken; {type(clip).__name__} came.")
