"""Parity: every road from sound to probabilities on the same sounds, held to one reference, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..audio.resample import resample
from ..errors import AudioError, ModelError
from ..runtime.windows import SILENCE_RANGE, cut_windows, sounding

# Largest difference of a probability (docs/conventions.md); an export is held to the same.
TOLERANCE = {"float32": 1e-4, "float16": 1e-4, "int8": 0.05}
SEED = 0x5075D
MOST_RUNS, ENOUGH_S = 50, 0.3  # of one window: a median of so many, or of as many as so many seconds hold

Clip = tuple[np.ndarray, int]  # (waveform (time,), rate in Hz)


@dataclass(frozen=True)
class Road:
    """One way to a network's probabilities.

    `probabilities` takes windows (window, time) at the model's rate. A road that cuts its own windows has `of_clip`
    too: it gives a row for each window of one clip, NaN where it says nothing.
    """

    network: str  # whose answers these are: SYSTEM-STAGE
    name: str
    precision: str  # "float32", "float16" or "int8"
    probabilities: Callable[[np.ndarray], np.ndarray]
    of_clip: Callable[[Clip], np.ndarray] | None = None
    n_bytes: int = 0  # of the file; 0 without one
    reference: bool = False


@dataclass(frozen=True)
class Compared:
    """A road beside the reference of its network, on `n` windows; `ms` is the median for one window, on one thread."""

    network: str
    road: str
    precision: str
    reference: str  # "" for the reference itself
    difference: float  # largest, of a probability
    same: int  # windows of the same class
    n: int
    spread: float  # how far the reference's windows lie apart, of a probability: how much is shown
    ms: float
    n_bytes: int
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether it keeps its tolerance and decides alike on nine windows of ten; NaN does not.

        A network that is hardly trained says nearly the same of every class: no probability then lies far from another
        network's. Right roads part where two classes are level.
        """
        return self.difference <= self.tolerance and self.same >= 0.9 * self.n

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON holds it."""
        return asdict(self) | {"ok": self.ok}


@dataclass(frozen=True)
class Sounds:
    """Clips as they came, and their windows at a model's rate; `heard` says which windows hold any sound."""

    clips: tuple[Clip, ...]
    windows: np.ndarray
    heard: np.ndarray


def sounds_of(clips: Sequence[Clip], rate: int, window: int, hop: int | None = None) -> Sounds:
    """The windows that a model of `window` samples at `rate` Hz hears of clips, one every `hop` samples.

    Raises AudioError where none holds any sound.
    """
    if not clips:
        raise AudioError("no clip came; roads are compared on one or more.")
    windows = np.concatenate([cut_windows(resample(wave, own, rate), window, hop) for wave, own in clips])
    if not (np.ptp(windows, axis=1) > SILENCE_RANGE).any():
        raise AudioError("all that came is digital silence, of which a stream says nothing; give audio with sound.")
    return Sounds(tuple(clips), windows, sounding(windows))


def made_sounds(rate: int, window: int, seed: int = SEED) -> list[Clip]:
    """Clips to compare roads on where nobody gives any: six test sounds as long as a window, and the ten scenes.

    The test sounds are noise, quiet noise, clipped noise, a chirp, a chord and clicks, the last three in noise 30 dB
    below: a logarithm shows the rounding of what lies deeper. The scenes last a second at 44.1 kHz, so that other
    models resample and repeat them.
    """
    from ..data.synthetic_devices import CLIP_SAMPLES, SAMPLE_RATE_HZ
    from ..data.synthetic_scenes import SCENES, render_scene

    rng = np.random.default_rng(seed)
    at_s = np.arange(window) / rate
    white = rng.normal(0, 0.1, (6, window))
    chirp = np.sin(2 * np.pi * (50 + (0.4 * rate - 50) * at_s / at_s[-1] / 2) * at_s)
    chord = sum(np.sin(2 * np.pi * hz * at_s) / 3 for hz in (220.0, 554.4, 1318.5))
    clicks = np.zeros(window)
    clicks[window // 7 :: window // 3] = 0.9
    faint = white * 0.1
    tests = (
        white[0],
        white[1] * 0.03,
        np.clip(white[2] * 20, -1, 1),
        0.4 * chirp + faint[3],
        0.5 * chord + faint[4],
        clicks + faint[5],
    )
    clips = [(wave.astype(np.float32), rate) for wave in tests]
    for i, scene in enumerate(SCENES):
        place, now = (np.random.default_rng([seed, i, k]) for k in (1, 2))
        clips.append((render_scene(scene, place, now)[-CLIP_SAMPLES:], SAMPLE_RATE_HZ))
    return clips


def compare(
    roads: Sequence[Road], sounds: Sounds, progress: Callable[[int, int], None] | None = None
) -> list[Compared]:
    """Each road beside the reference of its network: the road that is marked as such, or else the first.

    Raises ModelError for a road whose answers have another shape than the reference's.
    """
    references: dict[str, tuple[Road, np.ndarray]] = {}
    for road in sorted(roads, key=lambda road: not road.reference):
        if road.network not in references:
            references[road.network] = road, answers(road, sounds)
    rows = []
    for done, road in enumerate(roads):
        if progress:
            progress(done, len(roads))
        first, expected = references[road.network]
        got = expected if road is first else answers(road, sounds)
        if got.shape != expected.shape:
            raise ModelError(
                f"{road.network}: {road.name} gives {got.shape} (window, class), {first.name} {expected.shape}: they "
                "are not of one network. Export the model again."
            )
        rows.append(
            Compared(
                network=road.network,
                road=road.name,
                precision=road.precision,
                reference="" if road is first else first.name,
                difference=float(np.abs(got - expected).max()),
                same=int((got.argmax(1) == expected.argmax(1)).sum()),
                n=len(expected),
                spread=float(np.ptp(expected, axis=0).max()),
                ms=milliseconds(road, sounds.windows[sounds.heard][:1]),
                n_bytes=road.n_bytes,
                tolerance=TOLERANCE[road.precision],
            )
        )
    return rows


def answers(road: Road, sounds: Sounds) -> np.ndarray:
    """What a road says of the windows that hold sound, (window, class) float64."""
    if road.of_clip is None:
        return np.asarray(road.probabilities(sounds.windows[sounds.heard]), dtype=np.float64)
    return np.concatenate([road.of_clip(clip) for clip in sounds.clips]).astype(np.float64)[sounds.heard]


def milliseconds(road: Road, window: np.ndarray) -> float:
    """The median for one window (1, time), once warm."""
    for _ in range(3):
        road.probabilities(window)
    spent: list[float] = []
    while len(spent) < 5 or (len(spent) < MOST_RUNS and sum(spent) < ENOUGH_S):
        start = time.perf_counter()
        road.probabilities(window)
        spent.append(time.perf_counter() - start)
    return 1e3 * float(np.median(spent))
