"""A small system and small clips, with a feature cache of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyscene.audio import write_wav
from tinyscene.data import make_dataset
from tinyscene.system import System
from tinyscene.systems import load_system

RATE_HZ = 8_000


@pytest.fixture(scope="session")
def small_system() -> System:
    """8 kHz, windows of 0.25 s, 8 bands, frames of 0.032 s."""
    base = load_system("dsmn-1")
    spectral = base.frontend.numbers["spectral"].but(
        sample_rate_hz=RATE_HZ, n_fft=256, win_length=256, hop_length=256, n_mels=8, f_max=4_000.0
    )
    return base.with_settings({"task.sample_rate_hz": str(RATE_HZ), "task.window_s": "0.25"}).but(
        frontend=base.frontend.but(spectral=spectral)
    )


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The feature cache of this test."""
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def clips(tmp_path):
    """Write noise clips of these lengths in seconds: clips(0.5, 1.0) -> Dataset of classes x, y by turns."""

    def write(*seconds: float):
        rng = np.random.default_rng(0)
        names = [f"{i}.wav" for i in range(len(seconds))]
        for name, length in zip(names, seconds, strict=True):
            noise = (0.1 * rng.standard_normal(round(length * RATE_HZ))).astype(np.float32)
            write_wav(tmp_path / name, noise, RATE_HZ)
        labels = ["xy"[i % 2] for i in range(len(names))]
        devices = ["ab"[i % 2] for i in range(len(names))]
        return make_dataset("noise", tmp_path, names, labels, device=devices)

    return write
