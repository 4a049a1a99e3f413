"""The ten synthetic scenes: noise, pulses, tones and events, one function per TAU class.

Every scene takes two generators. `place` is seeded by the location and draws what all clips of that location share
(colour, detuning, mixing levels, the room); `now` is seeded by the second and draws what happens in it. A scene draws
from `place` always the same numbers in the same order, else the clips of one location would not belong together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from .synthetic_devices import RENDER_SAMPLES, SAMPLE_RATE_HZ, spectrum, waveform

Draws = np.random.Generator
Points = Mapping[float, float]  # frequency in Hz -> level in dB

_N = RENDER_SAMPLES
_FREQ_HZ = np.fft.rfftfreq(_N, 1 / SAMPLE_RATE_HZ)
_OCTAVE = np.log2(np.maximum(_FREQ_HZ, 1.0))
_TIME_S = np.arange(_N) / SAMPLE_RATE_HZ
_LENGTH_S = _N / SAMPLE_RATE_HZ


# ---- material: all waves are (time,) float32 with an rms of 1, all envelopes (time,) float32 ----


def _unit(wave: np.ndarray) -> np.ndarray:
    wave = wave.astype(np.float32, copy=False)
    return wave / np.float32(np.sqrt(np.dot(wave, wave) / _N) + 1e-9)


def _curve(points: Points) -> np.ndarray:
    """(freq,) float32 magnitude through the points, straight in dB over octaves, level beyond the ends."""
    level_db = np.interp(_OCTAVE, np.log2(list(points)), list(points.values())).astype(np.float32)
    return np.exp(level_db * np.float32(np.log(10) / 20))


def _noise(now: Draws, points: Points) -> np.ndarray:
    white = now.standard_normal((len(_FREQ_HZ), 2), dtype=np.float32).view(np.complex64)[:, 0]
    return _unit(waveform(white * _curve(points)))


def _filtered(wave: np.ndarray, points: Points) -> np.ndarray:
    return _unit(waveform(spectrum(wave) * _curve(points)))


def _sway(now: Draws, rate_hz: float, depth_db: float, at_s: np.ndarray = _TIME_S) -> np.ndarray:
    """An envelope that wanders by about +-`depth_db`, with `rate_hz` new values per second, read at `at_s`."""
    knots = int(np.ceil(_LENGTH_S * rate_hz)) + 2
    level_db = np.interp(at_s * rate_hz + now.uniform(), np.arange(knots + 1), now.normal(0, depth_db, knots + 1))
    return np.exp(level_db.astype(np.float32) * np.float32(np.log(10) / 20))


def _pulses(
    now: Draws, rate_hz: float, wander: float, unevenness: float, sway: tuple[float, float] | None = None
) -> np.ndarray:
    """A train of single samples at about `rate_hz`; `wander` moves the rate, `unevenness` the heights (both 0..1).

    `sway` (rate in Hz, depth in dB) lets the train swell as in `_sway`.
    """
    grid_s = np.linspace(0, _LENGTH_S, 201)
    rate = rate_hz * np.interp(grid_s, np.linspace(0, _LENGTH_S, 6), 1 + wander * now.uniform(-1, 1, 6))
    turns = np.cumsum(rate) * (grid_s[1] - grid_s[0]) + now.uniform()
    at_s = np.interp(np.arange(np.ceil(turns[0]), turns[-1]), turns, grid_s)  # where a turn is complete
    train = np.zeros(_N, np.float32)
    heights = 1 + unevenness * now.uniform(-1, 1, len(at_s))
    train[np.minimum(at_s * SAMPLE_RATE_HZ, _N - 1).astype(int)] = (
        heights if sway is None else heights * _sway(now, *sway, at_s)
    )
    return train


def _tone(freq_hz: np.ndarray | float, envelope: np.ndarray, harmonics: tuple[float, ...] = (1.0,)) -> np.ndarray:
    """Harmonics of one (gliding) frequency under one envelope; not normalised: the envelope sets the level."""
    turns = np.cumsum(freq_hz) / SAMPLE_RATE_HZ if isinstance(freq_hz, np.ndarray) else freq_hz * _TIME_S
    phase = ((turns % 1.0) * (2 * np.pi)).astype(np.float32)  # reduced in float64: float32 is too coarse for many turns
    wave = np.zeros(_N, np.float32)
    for order, level in enumerate(harmonics, start=1):
        wave += np.float32(level) * np.sin(np.float32(order) * phase)
    return wave * envelope


def _strike(at_s: float, decay_s: float) -> np.ndarray:
    """An envelope that rises within 3 ms at `at_s` and decays by 1/e every `decay_s`."""
    since = np.maximum((_TIME_S - at_s).astype(np.float32), 0)
    return np.exp(since * np.float32(-1 / decay_s)) * np.minimum(since * np.float32(1 / 0.003), 1)


def _bump(at_s: float, width_s: float) -> np.ndarray:
    distance = ((_TIME_S - at_s) / width_s).astype(np.float32)
    return np.exp(np.float32(-0.5) * distance * distance)


def _bursts(now: Draws, at_s: np.ndarray, decay_s: float, points: Points) -> np.ndarray:
    """Short decaying noise bursts at the given times: steps, clicks, joints."""
    length = int(6 * decay_s * SAMPLE_RATE_HZ)
    out = np.zeros(_N, np.float32)
    for start in (at_s * SAMPLE_RATE_HZ).astype(int):
        if 0 <= start < _N:
            n = min(length, _N - start)
            fall = np.exp(-np.arange(n, dtype=np.float32) / (decay_s * SAMPLE_RATE_HZ))
            out[start : start + n] += now.uniform(0.5, 1.0) * fall * now.standard_normal(n, dtype=np.float32)
    return _filtered(out, points)


def _voices(now: Draws, count: int, liveliness_db: float) -> np.ndarray:
    """Pulse trains through three formants, each under its own syllables: speech-like, without words."""
    total = np.zeros(len(_FREQ_HZ), np.complex64)
    for _ in range(count):
        train = _pulses(now, now.uniform(95, 240), 0.12, 0.3, (now.uniform(4, 7), liveliness_db))
        first, second = now.uniform(350, 800), now.uniform(1000, 2200)
        mouth = {100: -6, first: 0, (first * second) ** 0.5: -14, second: -6, 2700: -14, 3600: -22, 9000: -45}
        total += spectrum(train) * _curve(mouth) * np.float32(now.uniform(0.4, 1.0))
    return _unit(waveform(total))


def _room(wave: np.ndarray, place: Draws, decay_s: float, wet_db: float) -> np.ndarray:
    """The wave and its reverberation by the location's own room; what rings past the end comes in at the start."""
    tail = place.standard_normal(_N, dtype=np.float32) * np.exp(-_TIME_S / decay_s).astype(np.float32)
    wet = _unit(waveform(spectrum(wave) * spectrum(tail) * _curve({200: 0, 2000: 0, 10000: -15})))
    return _unit(_unit(wave) + np.float32(10 ** (wet_db / 20)) * wet)


def _mix(*layers: tuple[np.ndarray, float]) -> np.ndarray:
    """Unit layers summed at their levels in dB."""
    total = np.zeros(_N, np.float32)
    for wave, level_db in layers:
        total += _unit(wave) * np.float32(10 ** (level_db / 20))
    return total


def _chance(now: Draws, probability: float) -> float:
    """0 dB, or -60 dB (as good as absent) where the event does not happen in this second."""
    return 0.0 if now.uniform() < probability else -60.0


# ---- the scenes: (place, now) -> (time,) of any level ----


def _airport(place: Draws, now: Draws) -> np.ndarray:
    clicks_hz, crowd_db = place.uniform(7, 14), place.uniform(-4, 2)
    hum = _noise(now, {60: -4, place.uniform(250, 400): 0, 1000: -10, 4000: -16, 8000: -18, 15000: -34})
    times = now.uniform(0, 0.3) + np.arange(0, now.uniform(0.4, 1.0), 1 / clicks_hz) + now.normal(0, 0.004)
    trolley = _bursts(now, times, 0.006, {500: -12, 1800: 0, 6000: -3, 15000: -14})
    inside = _room(_mix((_voices(now, 4, 4), crowd_db), (trolley, _chance(now, 0.9) - 3)), place, 0.5, 3)
    return _mix((hum, 0), (inside, place.uniform(-2, 3)))


def _bus(place: Draws, now: Draws) -> np.ndarray:
    firing_hz = place.uniform(26, 44) * now.uniform(0.85, 1.2)
    engine = _filtered(_pulses(now, firing_hz, 0.06, 0.25), {30: 3, 120: 0, 500: -12, 1500: -24, 6000: -46})
    rumble = _noise(now, {30: 6, 90: 0, 400: -18, 2000: -36, 10000: -52})
    fan = _noise(now, {200: -10, place.uniform(700, 1600): 0, 5000: -14, 12000: -26})
    rattle = _bursts(now, now.uniform(0, 1, 6), 0.01, {500: -15, 1500: 0, 5000: -8, 12000: -25})
    return _mix(
        (engine, place.uniform(-3, 3)), (rumble, 0), (fan, place.uniform(-22, -14)), (rattle, _chance(now, 0.4) - 20)
    )


def _metro(place: Draws, now: Draws) -> np.ndarray:
    peak_hz, joint_hz = place.uniform(250, 700), place.uniform(1.8, 3.5)
    roar = _noise(now, {40: 0, peak_hz / 2: -2, peak_hz: 6, peak_hz * 2.5: -10, 4000: -26, 12000: -44})
    joints = now.uniform(0, 0.4) + np.arange(3) / joint_hz
    knocks = _bursts(now, np.sort(np.r_[joints, joints + 0.09]), 0.03, {60: 0, 250: -3, 1500: -18, 8000: -40})
    glide = place.uniform(1800, 4800) * np.interp(_TIME_S, [0, _LENGTH_S], now.uniform(0.9, 1.1, 2))
    squeal = _tone(glide, _bump(now.uniform(0.1, 0.9), 0.25) * _sway(now, 25, 3), (1.0, 0.4, 0.2))
    return _mix((roar * _sway(now, 5, 1.5), 0), (knocks, place.uniform(-6, 0)), (squeal, _chance(now, 0.85) - 14))


def _metro_station(place: Draws, now: Draws) -> np.ndarray:
    mains_hz, chime_hz = 50 * place.uniform(0.96, 1.04) * place.integers(2, 4), place.uniform(420, 800)
    hum = _tone(mains_hz, np.ones(_N, np.float32), (1.0, 0.7, 0.5, 0.4, 0.3, 0.2))
    air = _noise(now, {50: 3, 200: 0, place.uniform(500, 1200): -6, 4000: -22, 12000: -40})
    start = now.uniform(-0.2, 0.6)
    chime = _tone(chime_hz, _strike(start, 0.3), (1.0, 0.5, 0.25))
    chime = chime + _tone(chime_hz * 0.8, _strike(start + 0.3, 0.35), (1.0, 0.5, 0.25))
    people = _mix((_voices(now, 2, 7), place.uniform(-12, -5)), (chime, _chance(now, 0.8)))
    return _mix((hum, place.uniform(-1, 4)), (air, 0), (_room(people, place, 0.9, 6), place.uniform(-7, -2)))


def _park(place: Draws, now: Draws) -> np.ndarray:
    wind = _noise(now, {30: 8, 150: 0, 600: -16, 3000: -30, 12000: -42}) * _sway(now, 3, 3)
    leaves = _noise(now, {500: -18, 2500: -4, 6000: 0, 12000: -8})
    song_hz, rate_hz, span = place.uniform(2600, 5200), place.uniform(4, 10), place.uniform(0.1, 0.35)
    song = np.zeros(_N, np.float32)
    for index in range(now.integers(2, 6)):
        at = now.uniform(0, 0.3) + index / rate_hz
        since = np.clip((_TIME_S - at) / 0.08, 0, 1)
        pitch = song_hz * now.uniform(0.9, 1.1) * (1 + span * np.sin(np.pi * since * now.uniform(0.5, 2)))
        song += _tone(pitch, _bump(at + 0.04, 0.02), (1.0, 0.2))
    return _mix((wind, 0), (leaves, place.uniform(-24, -12)), (song, _chance(now, 0.9) + place.uniform(-14, -8)))


def _public_square(place: Draws, now: Draws) -> np.ndarray:
    fountain = _noise(now, {300: -14, 1200: -3, place.uniform(2500, 5000): 0, 12000: -9, 18000: -18})
    city = _noise(now, {40: 5, 200: 0, 800: -10, 4000: -28, 12000: -45})
    talk = _voices(now, 3, 7)
    return _mix((fountain * _sway(now, 60, 1.0), place.uniform(-8, 0)), (city, 0), (talk, place.uniform(-10, -2)))


def _shopping_mall(place: Draws, now: Draws) -> np.ndarray:
    root_hz, beat_s = place.uniform(180, 360), place.uniform(0.18, 0.4)
    beat = _TIME_S / beat_s + now.uniform()
    struck = np.exp(beat % 1.0 * (-beat_s / 0.25)).astype(np.float32)
    music = np.zeros(_N, np.float32)
    for _ in range(2):  # two parts that move on every beat along a pentatonic scale
        steps = now.choice([0, 2, 4, 7, 9, 12, 14, 16], 8)
        music += _tone(root_hz * 2 ** (steps[beat.astype(int)] / 12), struck, (1.0, 0.6, 0.4, 0.25, 0.15))
    air = _noise(now, {50: -2, 250: 0, 1000: -8, 5000: -26, 12000: -46})
    inside = _mix((_voices(now, 4, 4), place.uniform(-2, 2)), (music, _chance(now, 0.95) + place.uniform(1, 6)))
    return _mix((air, -1), (_room(inside, place, 0.3, 0), place.uniform(-3, 2)))


def _street_pedestrian(place: Draws, now: Draws) -> np.ndarray:
    city = _noise(now, {40: 5, 200: 0, place.uniform(600, 1100): -9, 4000: -26, 12000: -42})
    walk_hz = now.uniform(1.6, 2.4, 3)
    times = np.concatenate([now.uniform(-0.3, 0.5) + np.arange(3) / hz for hz in walk_hz])
    steps = _bursts(now, times, 0.012, {80: -6, place.uniform(180, 350): 0, 1200: -8, 4000: -10, 10000: -24})
    talk = _voices(now, 2, 8)
    return _mix((city, 0), (steps, place.uniform(-6, 2)), (talk, _chance(now, 0.9) + place.uniform(-7, 1)))


def _street_traffic(place: Draws, now: Draws) -> np.ndarray:
    far = _noise(now, {40: 5, 150: 0, 700: -8, 3000: -22, 12000: -42})
    tyres = _noise(now, {60: -3, 300: -6, place.uniform(700, 1300): 0, 3000: -12, 10000: -28})
    swell = _bump(now.uniform(-0.2, 1.2), now.uniform(0.25, 0.7)) + np.float32(0.08)
    engine = _filtered(_pulses(now, now.uniform(45, 110), 0.05, 0.15), {60: 0, 300: -6, 1200: -20, 6000: -44})
    return _mix((far, 0), (tyres * swell, place.uniform(3, 8)), (engine * swell, place.uniform(-3, 3)))


def _tram(place: Draws, now: Draws) -> np.ndarray:
    motor_hz = place.uniform(220, 420) * np.interp(_TIME_S, [0, _LENGTH_S], now.uniform(0.85, 1.15, 2))
    motor = _tone(motor_hz, _sway(now, 4, 1), (1.0, 0.6, 0.5, 0.3, 0.2))
    floor = _noise(now, {40: 3, 120: 0, 600: -10, 2500: -24, 12000: -44})
    grind = _noise(now, {300: -16, place.uniform(900, 2200): 0, 4500: -10, 12000: -28}) * _sway(now, 40, 4)
    bell_hz, at = place.uniform(1000, 1700), now.uniform(0, 0.6)
    bell = sum(_tone(bell_hz * r, _strike(at, 0.35 / r)) / r for r in (1.0, 2.0, 2.76, 5.4))
    return _mix(
        (motor, place.uniform(-9, -2)),
        (floor, 0),
        (grind, place.uniform(-15, -7)),
        (np.asarray(bell), _chance(now, 0.35) - 14),
    )


_SCENES: dict[str, Callable[[Draws, Draws], np.ndarray]] = {
    "airport": _airport,
    "bus": _bus,
    "metro": _metro,
    "metro_station": _metro_station,
    "park": _park,
    "public_square": _public_square,
    "shopping_mall": _shopping_mall,
    "street_pedestrian": _street_pedestrian,
    "street_traffic": _street_traffic,
    "tram": _tram,
}
SCENES = tuple(_SCENES)


def render_scene(scene: str, place: Draws, now: Draws) -> np.ndarray:
    """One second of a scene (and the run-in of the device filters), as an ideal microphone would hear it.

    Args:
        scene: one of SCENES.
        place: a generator freshly seeded by the location.
        now: a generator seeded by the second.

    Returns:
        (RENDER_SAMPLES,) float32 with an rms of about -34 to -18 dBFS.
    """
    level_db, tilt_db = place.uniform(-31, -21), place.normal(0, 0.7)
    colour = {
        f: tilt_db * np.log2(f / 1000) + place.normal(0, 1.5) for f in (60.0, 200.0, 600.0, 1800.0, 5000.0, 14000.0)
    }
    wave = _filtered(_SCENES[scene](place, now), colour)
    return wave * np.float32(10 ** ((level_db + now.normal(0, 1.0)) / 20))
