"""The nine recording devices of the synthetic scenes: a response, a compressor and a noise floor each.

They stand for devices a, b, c and s1 to s6 of the TAU mobile sets and are the same in every synthetic set, whatever its
seed. Every number here is ours: no device was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.fft
from scipy.signal import firwin2, lfilter, oaconvolve

SAMPLE_RATE_HZ = 44100
CLIP_SAMPLES = SAMPLE_RATE_HZ
N_TAPS = 1025  # odd, so that the delay of the linear-phase filters is a whole number of samples
# What a scene renders for one clip: the clip, the run-in of the longest filter, rounded up to a fast FFT length.
RENDER_SAMPLES = 46080
RUN_IN_SAMPLES = RENDER_SAMPLES - CLIP_SAMPLES
PEAK = 0.9  # of full scale; no clip is louder
_BLOCK = 441  # samples between two gain values of the compressor: 10 ms


@dataclass(frozen=True)
class Device:
    """How one device colours what it records.

    Attributes:
        spread_db: standard deviation of the eight random control points of its response.
        low_cut_hz, high_cut_hz: where its response has fallen by 6 dB; beyond, 12 dB per octave more.
        resonance_hz, resonance_db: centre and height of a peak half an octave wide.
        threshold_db, ratio: the compressor turns a level of x dB above the threshold (dBFS) into x / ratio.
        noise_db: level of its noise floor, dBFS.
        gain_db: level change, before the compressor.
    """

    number: int
    spread_db: float
    low_cut_hz: float
    high_cut_hz: float
    resonance_hz: float
    resonance_db: float
    threshold_db: float
    ratio: float
    noise_db: float
    gain_db: float


DEVICES: dict[str, Device] = {
    "a": Device(0, 0.5, 25, 20000, 3000, 0, -12, 1.2, -86, 0),
    "b": Device(1, 2.5, 90, 17000, 3200, 3, -24, 1.5, -74, -3),
    "c": Device(2, 2.5, 60, 18500, 1100, -3, -22, 1.4, -76, 2),
    "s1": Device(3, 3.0, 90, 16000, 2400, 4, -28, 1.8, -72, -2),
    "s2": Device(4, 3.0, 80, 14000, 900, 4, -30, 2.0, -70, 1),
    "s3": Device(5, 3.0, 80, 18000, 4500, -4, -28, 1.6, -74, 3),
    "s4": Device(6, 4.0, 180, 10000, 1500, 6, -34, 2.5, -66, -4),
    "s5": Device(7, 4.5, 200, 8000, 3500, 8, -34, 2.2, -66, 2),
    "s6": Device(8, 4.0, 180, 12000, 800, 6, -36, 3.0, -64, -3),
}
TRAIN_DEVICES = ("a", "b", "c", "s1", "s2", "s3")
TEST_DEVICES = tuple(DEVICES)


def response_db(device: str, freq_hz: np.ndarray) -> np.ndarray:
    """Magnitude response in dB at `freq_hz` (any shape, Hz, 0 or more); 0 dB in the mean of its control points."""
    d = DEVICES[device]
    octave = np.log2(np.maximum(freq_hz, 1.0))
    points_db = np.random.default_rng([d.number]).standard_normal(8)
    points_db = (points_db - points_db.mean()) / points_db.std() * d.spread_db
    shape = np.interp(octave, np.log2(np.geomspace(80.0, 16000.0, 8)), points_db)
    peak = d.resonance_db * np.exp(-0.5 * ((octave - np.log2(d.resonance_hz)) / 0.25) ** 2)
    # Second-order Butterworth-like skirts moved so that the cut frequency lies at -6 dB.
    low = -10 * np.log10(1 + 3 * (d.low_cut_hz / np.maximum(freq_hz, 1.0)) ** 4)
    high = -10 * np.log10(1 + 3 * (freq_hz / d.high_cut_hz) ** 4)
    return shape + peak + np.maximum(low, -60.0) + high


@cache
def device_fir(device: str) -> np.ndarray:
    """(taps,) float64: the linear-phase filter with the device's response, 512 samples of delay."""
    freq_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, 1025)
    return np.asarray(firwin2(N_TAPS, freq_hz, 10 ** (response_db(device, freq_hz) / 20), fs=SAMPLE_RATE_HZ))


def spectrum(wave: np.ndarray, n: int = RENDER_SAMPLES) -> np.ndarray:
    """(n or less,) float32 -> (freq,) complex64. SciPy's transform: NumPy's takes three times as long here."""
    return np.asarray(scipy.fft.rfft(wave, n))


def waveform(bins: np.ndarray, n: int = RENDER_SAMPLES) -> np.ndarray:
    """(freq,) complex64 -> (n,) float32."""
    return np.asarray(scipy.fft.irfft(bins, n))


@cache
def _transfer(device: str, n: int) -> np.ndarray:
    """(freq,) complex64: the filter at the bins of a scene of n samples."""
    return spectrum(device_fir(device).astype(np.float32), n)


def _compress(wave: np.ndarray, threshold_db: float, ratio: float) -> np.ndarray:
    """(time,) -> (time,): the level above the threshold divided by the ratio; gain smoothed over about 30 ms."""
    power = np.asarray(np.mean(wave.reshape(-1, _BLOCK) ** 2, axis=1, dtype=np.float64))
    smooth, _ = lfilter(
        [0.3], [1.0, -0.7], power, zi=0.7 * power[:1]
    )  # starts as if the first block had gone on before
    level_db = 10 * np.log10(np.asarray(smooth) + 1e-12)
    gain_db = -(1 - 1 / ratio) * np.maximum(level_db - threshold_db, 0.0)
    centres = np.arange(len(power)) * _BLOCK + _BLOCK / 2
    return wave * np.interp(np.arange(len(wave)), centres, 10 ** (gain_db / 20)).astype(np.float32)


def record(scene: np.ndarray, device: str, rng: np.random.Generator) -> np.ndarray:
    """What `device` makes of a scene.

    Args:
        scene: (RUN_IN_SAMPLES + a whole number of CLIP_SAMPLES,) float32, full scale 1.
        rng: draws the noise floor, and nothing else.

    Returns:
        the scene without its run-in, float32 within -PEAK..PEAK. All devices have the same delay: parallel recordings
        are aligned.
    """
    d = DEVICES[device]
    n_clip = len(scene) - RUN_IN_SAMPLES
    n = scipy.fft.next_fast_len(len(scene), True) or len(scene)  # never 0: for the type checker
    # The product of the spectra is a circular convolution; past the first taps - 1 samples it is the linear one.
    filtered = waveform(spectrum(scene, n) * _transfer(device, n), n)[N_TAPS - 1 :][:n_clip]
    wave = _compress(filtered * np.float32(10 ** (d.gain_db / 20)), d.threshold_db, d.ratio)
    wave = wave + rng.standard_normal(n_clip, dtype=np.float32) * np.float32(10 ** (d.noise_db / 20))
    return wave * np.float32(min(1.0, PEAK / float(np.max(np.abs(wave)))))


def coloured(waveform: np.ndarray, sample_rate_hz: int, device: str) -> np.ndarray:
    """(time,) float32 at any rate -> the same through the device's response alone, without delay."""
    freq_hz = np.linspace(0.0, sample_rate_hz / 2, 1025)
    taps = firwin2(N_TAPS, freq_hz, 10 ** (response_db(device, freq_hz) / 20), fs=sample_rate_hz)
    return oaconvolve(waveform, taps, mode="same").astype(np.float32)
