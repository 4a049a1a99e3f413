"""Clips as other microphones would have recorded them: convolved with measured impulse responses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from ..audio import read_audio, resample
from ..batch import Batch
from ..errors import AudioError, within
from .clipwise import chosen_clips, known_rate
from .sound_files import sound_files


@dataclass(frozen=True)
class DeviceResponseDraw:
    """Which response each clip is convolved with, (batch,) int; -1 leaves it alone."""

    response: np.ndarray


class DeviceResponse:
    """Each clip convolved with a response of its own; length and level (RMS) are kept, and no delay is added.

    A response is resampled to the clips' rate, begun at its direct path (its largest sample) and given unit energy.
    Silence stays silence. A response has to have died away, by 60 dB, within a clip.

    On power spectra (batch, frequency, frame) each bin is multiplied by the response's mean power about it: the same
    but for what rings on longer than a frame, at a tenth of the time.

    Args:
        folder: of impulse responses, in any audio format, sub-folders too. They are read when the part is made.
        p: probability that a clip is convolved, 0 to 1.
        exclude: names of files not to use, such as responses that only test devices may have.

    Raises AudioError for a file that is no audio or silent: here, since workers that load data can tell nobody.
    """

    places = ("wave", "spectrum")

    def __init__(self, folder: str, p: float = 0.5, exclude: tuple[str, ...] = ()):
        within("DeviceResponse.p", p, 0, 1)
        self.p = p
        self.files = sound_files("DeviceResponse", folder, exclude)
        self._sounds = [_sound(str(path), path.stat().st_mtime_ns) for path in self.files]
        self._responses: dict[int, list[np.ndarray]] = {}  # by rate
        self._gains: dict[tuple[int, int], np.ndarray] = {}  # by rate and bins

    def responses(self, rate_hz: int) -> list[np.ndarray]:
        """Each file's response at this rate, (time,) float32."""
        if rate_hz not in self._responses:
            self._responses[rate_hz] = [_response(sound, rate, rate_hz) for sound, rate in self._sounds]
        return self._responses[rate_hz]

    def gains(self, rate_hz: int, n_bins: int) -> np.ndarray:
        """Each file's mean power about each of the bins from 0 to half the rate, (file, n_bins)."""
        if (rate_hz, n_bins) not in self._gains:
            found = [_power_gains(response, n_bins) for response in self.responses(rate_hz)]
            self._gains[rate_hz, n_bins] = np.stack(found)
        return self._gains[rate_hz, n_bins]

    def draw(self, batch: Batch, rng: np.random.Generator) -> DeviceResponseDraw:
        known_rate(batch, "DeviceResponse")
        response = rng.integers(len(self.files), size=len(batch.x))
        return DeviceResponseDraw(np.where(chosen_clips(batch, self.p, rng), response, -1))

    def apply(self, batch: Batch, params: DeviceResponseDraw) -> Batch:
        clips = np.flatnonzero(params.response >= 0)
        if not len(clips):
            return batch
        rate_hz = known_rate(batch, "DeviceResponse")
        if batch.x.dim() == 3:
            gains = np.concatenate([self.gains(rate_hz, batch.x.shape[1]), np.ones((1, batch.x.shape[1]))])
            return replace(batch, x=as_loud(batch.x, torch.from_numpy(gains[params.response]).to(batch.x)))
        every = self.responses(rate_hz)
        n_samples = batch.x.shape[-1]
        for i in np.unique(params.response[clips]):
            if _sounding(every[i]) > n_samples:
                raise AudioError(
                    f"DeviceResponse.folder: {self.files[i].name} sounds for {_sounding(every[i])} samples, the clips "
                    f"have {n_samples}. Name it in DeviceResponse.exclude, or take longer clips."
                )
        drawn = [every[i][:n_samples] for i in params.response[clips]]
        kernels = np.zeros((len(drawn), max(map(len, drawn))), dtype=np.float32)
        for row, response in zip(kernels, drawn, strict=True):
            row[: len(response)] = response
        x, rows = batch.x.clone(), torch.as_tensor(clips, device=batch.x.device)
        x[rows] = _convolved(x[rows], torch.from_numpy(kernels).to(x))
        return replace(batch, x=x)


@lru_cache(maxsize=1024)
def _sound(name: str, changed_ns: int) -> tuple[np.ndarray, int]:
    """A file's waveform, (time,) float32, and its rate in Hz; `changed_ns` has it read again when it was changed."""
    waveform, rate = read_audio(name)
    if not waveform.any():
        raise AudioError(f"{name} is silent; an impulse response is taken. Name it in DeviceResponse.exclude.")
    return waveform, rate


def _response(waveform: np.ndarray, rate: int, rate_hz: int) -> np.ndarray:
    response = resample(waveform, rate, rate_hz).astype(np.float64)
    response = response[np.argmax(np.abs(response)) :]
    return (response / np.linalg.norm(response)).astype(np.float32)


def _power_gains(response: np.ndarray, n_bins: int) -> np.ndarray:
    """(n_bins,) the mean of |response|^2 over the frequencies nearest to each bin."""
    finer = 8
    size = max(2 * (n_bins - 1) * finer, len(response))
    size = -(-size // (2 * (n_bins - 1))) * 2 * (n_bins - 1)  # so that bins fall on its frequencies
    power = np.abs(np.fft.rfft(response, size)) ** 2
    nearest = np.rint(np.arange(len(power)) * (n_bins - 1) / (len(power) - 1)).astype(np.int64)
    return np.bincount(nearest, power, n_bins) / np.bincount(nearest, minlength=n_bins)


def as_loud(power: Tensor, gains: Tensor) -> Tensor:
    """(clip, frequency, frame) times (clip, frequency), with each clip's total power as it was."""
    y = power * gains[:, :, None]
    before, after = (spectrum.sum((1, 2), keepdim=True) for spectrum in (power, y))
    return y * torch.where(after > 0, before / after, 0.0)


def _sounding(response: np.ndarray) -> int:
    """Samples until it has fallen by 60 dB for good."""
    return int(np.flatnonzero(np.abs(response) > 1e-3 * np.abs(response).max())[-1]) + 1


def _convolved(x: Tensor, kernels: Tensor) -> Tensor:
    """Row by row, (clip, time) with (clip, tap), as long and as loud as x."""
    n_samples = x.shape[-1]
    size = next_fast_len(n_samples + kernels.shape[-1] - 1, real=True)
    y = torch.fft.irfft(torch.fft.rfft(x, size) * torch.fft.rfft(kernels, size), size)[..., :n_samples]
    before, after = (torch.linalg.vector_norm(wave, dim=-1, keepdim=True) for wave in (x, y))
    return y * torch.where(after > 0, before / after, 0.0)
