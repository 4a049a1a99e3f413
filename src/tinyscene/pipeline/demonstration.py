"""One augmentation on one clip, to be seen and heard: before, after, and what may stand beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..data.synthetic_devices import TRAIN_DEVICES, coloured
from ..errors import AudioError
from ..frontends import FrontEnd
from ..runtime import cut_windows
from ..spec import Spec
from ..system import System

GAIN_LIMIT_DB = 40.0  # of what is made audible: a masked cell would be infinitely soft
_ATTEMPTS = 50  # draws until one changes something: a mask may be 0 wide


@dataclass(frozen=True)
class Demonstration:
    """Maps (band, frame) under their titles, waveforms (time,) by name, and what should be said of them."""

    maps: dict[str, np.ndarray]
    sounds: dict[str, np.ndarray]
    sample_rate_hz: int
    unit: str
    curve: tuple[np.ndarray, np.ndarray] | None = None  # frequencies in Hz and the drawn gains in dB
    notes: tuple[str, ...] = ()


def demonstrate(
    spec: Spec, system: System, clips: Sequence[np.ndarray], seed: int, beside: np.ndarray | None = None
) -> Demonstration:
    """What the augmentation makes of the loudest window of the first clip, at the first place it names.

    `clips` are waveforms (time,) at the system's rate; the others are what it may be mixed with (by default the first
    one played backwards). `beside` is a clip shown as a third picture: the target of pix2pix, say. A part that learns
    learns from the clip on simulated devices. A probability that the spec does not set is 1.
    """
    notes: list[str] = []
    if "p" in spec.fields and "p" not in spec.numbers:
        spec = spec.but(p=1.0)
    windows = [_loudest(clip, system.window_samples) for clip in clips]
    if len(windows) == 1:
        windows.append(windows[0][::-1].copy())
    front_end: FrontEnd = system.frontend.build().eval()
    places: tuple[str, ...] = spec.target.places  # type: ignore[attr-defined]
    place = next(place for place in places if place != "hidden")
    batch = _batch(windows, system.task.sample_rate_hz)
    with torch.inference_mode():
        before = replace(batch, x=_as_place(front_end, place, batch.x))
        if callable(getattr(spec.target, "fit", None)):
            notes.append("What it learns it has learned from this clip on simulated devices.")
            spec = _learned(spec, front_end, place, windows[0], system.task.sample_rate_hz)
        part = spec.build()
        after, params = _changed(part, before, seed)
        if len(clips) == 1 and _mixes(part, before, params, after):
            notes.append("The second clip that it takes is the first one played backwards.")
        maps = {"before": _map(front_end, place, before.x), "after": _map(front_end, place, after.x)}
        if beside is not None:
            x = _as_place(front_end, place, torch.from_numpy(_loudest(beside, system.window_samples))[None])
            maps["beside"] = _map(front_end, place, x)
        sounds = {"before": windows[0]}
        if place == "wave":
            sounds["after"] = after.x[0].numpy()
        else:
            heard = _audible(front_end, batch.x[:1], maps["before"], maps["after"])
            sounds |= {"after": heard} if heard is not None else {}
            notes += [] if heard is not None else ["It has no sound: its frames or bands are not those of the clip."]
    unit = "standardised" if place == "features" and len(front_end.finish) else "log power"
    return Demonstration(maps, sounds, system.task.sample_rate_hz, unit, _gain_curve(params, system), tuple(notes))


def _loudest(clip: np.ndarray, window: int) -> np.ndarray:
    """The loudest decision window of a clip; a short clip is repeated."""
    windows = cut_windows(clip, window)
    return windows[np.square(windows).mean(1).argmax()].astype(np.float32)


def _batch(windows: Sequence[np.ndarray], sample_rate_hz: int, devices: Sequence[str] = ()) -> Batch:
    n = len(windows)
    return Batch(
        x=torch.from_numpy(np.stack(windows)),
        target=torch.eye(n),
        device=tuple(devices) or ("a",) * n,
        city=("",) * n,
        file=tuple(f"{i}.wav" for i in range(n)),
        segment=("1",) * n,
        sample_rate_hz=sample_rate_hz,
    )


def _as_place(front_end: FrontEnd, place: str, waveform: Tensor) -> Tensor:
    """What comes to this place: the waveform, its spectrum, its bands or its finished features."""
    roads: dict[str, Any] = {"spectrum": front_end.spectrum, "bands": front_end.bands, "features": front_end}
    return roads[place](waveform) if place in roads else waveform


def _map(front_end: FrontEnd, place: str, x: Tensor) -> np.ndarray:
    """The first clip at this place as a picture, (band, frame): un-normalised bands where there are any."""
    if place == "wave":
        x = front_end.bands(x)
    elif place == "spectrum":
        x = front_end.spectral.bands(x)  # type: ignore[operator]
    return x[0, 0].numpy()


def _changed(part: Any, batch: Batch, seed: int) -> tuple[Batch, Any]:
    """The batch after the first draw that changes its first clip, and that draw."""
    for attempt in range(_ATTEMPTS):
        params = part.draw(batch, np.random.default_rng([seed, attempt]))
        after = part.apply(batch, params)
        if after.x.shape != batch.x.shape or not torch.equal(after.x[0], batch.x[0]):
            return after, params
    raise AudioError(f"{type(part).__name__} changes nothing in this clip in {_ATTEMPTS} draws; take another clip.")


def _mixes(part: Any, batch: Batch, params: Any, after: Batch) -> bool:
    """Whether what the first clip becomes depends on the second."""
    other = replace(batch, x=torch.cat([batch.x[:1], 0 * batch.x[1:]]))
    return not torch.equal(part.apply(other, params).x[0], after.x[0])


def _learned(spec: Spec, front_end: FrontEnd, place: str, window: np.ndarray, sample_rate_hz: int) -> Spec:
    devices = TRAIN_DEVICES
    batch = _batch([coloured(window, sample_rate_hz, device) for device in devices], sample_rate_hz, devices)
    numbers = spec.build().fit([replace(batch, x=_as_place(front_end, place, batch.x))])
    return spec.but(**json.loads(json.dumps(numbers)))


def _gain_curve(params: Any, system: System) -> tuple[np.ndarray, np.ndarray] | None:
    """A drawn gain per FFT bin, as frequencies in Hz and dB of power."""
    n_fft = system.frontend.numbers["spectral"].fields.get("n_fft")
    gains = getattr(params, "gains", None)
    if n_fft is None or gains is None or np.shape(gains)[-1] != n_fft // 2 + 1:
        return None
    frequencies = np.linspace(0.0, system.task.sample_rate_hz / 2, n_fft // 2 + 1)
    return frequencies, 10 * np.log10(np.maximum(np.asarray(gains)[0], 1e-12))


def _audible(front_end: FrontEnd, waveform: Tensor, before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """The clip with each band's level changed as the maps say: spectrum times gain, phase kept. None if it cannot be.

    Finished features are brought back to levels by the line that maps the features of this clip to its bands.
    """
    bands = front_end.bands(waveform)[0, 0].numpy()
    spectral: Any = front_end.spectral
    if before.shape != bands.shape or after.shape != before.shape or not hasattr(spectral, "log"):
        return None
    slope, offset = np.polyfit(before.ravel(), bands.ravel(), 1)
    if not np.allclose(slope * before + offset, bands, atol=1e-2 * (np.ptp(bands) + 1e-6)):
        return None
    per_unit_db = {"log10": 10.0, "ln": 10.0 / np.log(10.0), "db": 1.0}[spectral.log]
    gain_db = np.clip(slope * (after - before) * per_unit_db, -GAIN_LIMIT_DB, GAIN_LIMIT_DB)
    bank = spectral.bank.whole.numpy()
    weights = bank / np.maximum(bank.sum(0, keepdims=True), 1e-12)  # (band, frequency): how a bin shares its bands
    gain = torch.from_numpy(10 ** (weights.T @ gain_db / 20)).float()
    heard = torch.from_numpy(bank.sum(0) > 0).float()[:, None]
    window = torch.hann_window(spectral.n_fft)
    spectrum = torch.stft(
        waveform, spectral.n_fft, spectral.hop_length, window=window, center=True, return_complex=True
    )
    sound = torch.istft(
        spectrum * (gain * heard + 1 - heard),
        spectral.n_fft,
        spectral.hop_length,
        window=window,
        length=waveform.shape[-1],
    )
    return sound[0].numpy()
