"""Lossy codecs (report 002: clips through MP3 and AAC and back)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..audio.codec import CODECS, HIGHEST_KBPS, LOWEST_KBPS, codec_round_trip
from ..batch import Batch
from ..errors import SettingError, unknown, within
from .clipwise import chosen_clips, known_rate, with_clips


@dataclass(frozen=True)
class CodecDraw:
    """Which clips are coded, (batch,) bool, as which of the formats, (batch,) int, at how many kbit/s, (batch,) int."""

    coded: np.ndarray
    format: np.ndarray
    kbps: np.ndarray


class Codec:
    """Clips coded and decoded, each in a format and at a bit rate of its own, neither delayed nor longer.

    Args:
        formats: what the format is drawn from: "mp3", "aac".
        low_kbps, high_kbps: the bit rate is uniform on low_kbps..high_kbps in steps of 1 kbit/s, both included, 8 to
            320; the coder takes the nearest one that the format has.
        p: probability that a clip is coded, 0 to 1.
    """

    places = ("wave",)

    def __init__(
        self, formats: tuple[str, ...] = ("mp3", "aac"), low_kbps: int = 32, high_kbps: int = 128, p: float = 0.5
    ):
        if not formats:
            raise SettingError(f"Codec.formats takes {' and '.join(CODECS)}, one or more; none came.")
        for name in formats:
            if name not in CODECS:
                raise unknown("Codec.formats", "format", name, CODECS)
        within("Codec.low_kbps", low_kbps, LOWEST_KBPS, HIGHEST_KBPS)
        within("Codec.high_kbps", high_kbps, low_kbps, HIGHEST_KBPS)
        within("Codec.p", p, 0, 1)
        self.formats, self.low_kbps, self.high_kbps, self.p = tuple(formats), low_kbps, high_kbps, p

    def draw(self, batch: Batch, rng: np.random.Generator) -> CodecDraw:
        known_rate(batch, "Codec")
        n = len(batch.x)
        kbps = rng.integers(self.low_kbps, self.high_kbps, n, endpoint=True)
        return CodecDraw(chosen_clips(batch, self.p, rng), rng.integers(len(self.formats), size=n), kbps)

    def apply(self, batch: Batch, params: CodecDraw) -> Batch:
        rate = known_rate(batch, "Codec")

        def change(i: int, waveform: np.ndarray) -> np.ndarray:
            return codec_round_trip(waveform, rate, self.formats[params.format[i]], int(params.kbps[i]))

        return replace(batch, x=with_clips(batch.x, np.flatnonzero(params.coded).tolist(), change))
