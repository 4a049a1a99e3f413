"""Noise added at a drawn signal-to-noise ratio: white, pink or recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.fft import next_fast_len

from ..audio import read_audio, resample
from ..batch import Batch
from ..errors import unknown, within
from .clipwise import chosen_clips, known_rate
from .sound_files import sound_files

COLOURS = ("white", "pink")
_KEPT_SAMPLES = 1 << 28  # of recordings in memory: 1 GiB; those that come later are read each time


@dataclass(frozen=True)
class AddNoiseDraw:
    """Which clips get noise, (batch,) bool, at what ratio in dB, (batch,), and the seed of each one's noise."""

    noisy: np.ndarray
    snr_db: np.ndarray
    seed: np.ndarray


class AddNoise:
    """Each clip plus noise of its own, its energy set by the clip's: silence stays silence.

    Args:
        low_snr_db, high_snr_db: ratio of the clip's energy to the noise's, uniform in dB, -100 to 100.
        colour: of the noise that is made: "white", or "pink" (3 dB less an octave).
        p: probability that a clip gets noise, 0 to 1.
        folder: of recordings, sub-folders too. With it the noise is a random excerpt of one of them at the clips'
            rate, repeated where it is too short, and `colour` is not used.
    """

    places = ("wave",)

    def __init__(
        self,
        low_snr_db: float = 5.0,
        high_snr_db: float = 30.0,
        colour: str = "white",
        p: float = 0.5,
        folder: str | None = None,
    ):
        within("AddNoise.low_snr_db", low_snr_db, -100, 100)
        within("AddNoise.high_snr_db", high_snr_db, low_snr_db, 100)
        within("AddNoise.p", p, 0, 1)
        if colour not in COLOURS:
            raise unknown("AddNoise", "colour", colour, COLOURS)
        self.low_snr_db, self.high_snr_db, self.colour, self.p = low_snr_db, high_snr_db, colour, p
        self.files = () if folder is None else sound_files("AddNoise", folder)
        self._recordings: dict[tuple[int, int], np.ndarray] = {}  # by file and rate

    def draw(self, batch: Batch, rng: np.random.Generator) -> AddNoiseDraw:
        if self.files:
            known_rate(batch, "AddNoise")
        n = len(batch.x)
        snr_db = rng.uniform(self.low_snr_db, self.high_snr_db, n)
        return AddNoiseDraw(chosen_clips(batch, self.p, rng), snr_db, rng.integers(2**63, size=n))

    def apply(self, batch: Batch, params: AddNoiseDraw) -> Batch:
        clips = np.flatnonzero(params.noisy)
        if not len(clips):
            return batch
        n_samples, rate = batch.x.shape[-1], batch.sample_rate_hz
        made = np.stack([self._noise(np.random.default_rng(seed), n_samples, rate) for seed in params.seed[clips]])
        x, rows = batch.x.clone(), torch.as_tensor(clips, device=batch.x.device)
        noise = torch.from_numpy(made).to(x)
        wanted = torch.linalg.vector_norm(x[rows], dim=-1, keepdim=True)
        wanted = wanted * torch.from_numpy(10 ** (-params.snr_db[clips, None] / 20)).to(x)
        came = torch.linalg.vector_norm(noise, dim=-1, keepdim=True)
        x[rows] = x[rows] + noise * torch.where(came > 0, wanted / came, 0.0)  # an excerpt may be silent
        return replace(batch, x=x)

    def _noise(self, rng: np.random.Generator, n_samples: int, rate_hz: int) -> np.ndarray:
        if self.files:
            recording = self._recording(int(rng.integers(len(self.files))), rate_hz)
            spare = len(recording) - n_samples
            start = rng.integers(spare + 1 if spare >= 0 else len(recording))
            return np.take(recording, np.arange(start, start + n_samples), mode="wrap")
        if self.colour == "white":
            return rng.standard_normal(n_samples, dtype=np.float32)
        size = next_fast_len(n_samples, real=True)
        spectrum = np.fft.rfft(rng.standard_normal(size, dtype=np.float32))
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum), dtype=np.float32))
        spectrum[0] = 0
        return np.fft.irfft(spectrum, size)[:n_samples]

    def _recording(self, index: int, rate_hz: int) -> np.ndarray:
        key = (index, rate_hz)
        if key in self._recordings:
            return self._recordings[key]
        waveform, rate = read_audio(self.files[index])
        waveform = resample(waveform, rate, rate_hz)
        if sum(map(len, self._recordings.values())) + len(waveform) <= _KEPT_SAMPLES:
            self._recordings[key] = waveform
        return waveform
