"""What a user waits for: start of the command line, one clip classified cold, features, the network. Writes speed.md.

    python benchmarks/speed.py [--model demo/run/dsmn-1-int8-waveform.onnx]

The model is the demo's (make demo). Each figure is the smallest of several runs on one thread.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np

RATE = 44_100
PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"


def main() -> None:
    """Measure and write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--model", type=Path, default=Path("demo/run/dsmn-1-int8-waveform.onnx"))
    model = options.parse_args().model
    if not model.is_file():
        sys.exit(f"speed: {model} does not exist; make one with: make demo")
    from tinyscene.audio import write_wav

    clip = Path("speed-clip.wav")
    try:
        write_wav(clip, np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32), RATE)
        rows = [*command_line(model, clip), *features(), *network(model)]
    finally:
        clip.unlink(missing_ok=True)
    lines = ["| what | time | |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows), ""]
    lines.append(f"One thread, smallest of several runs, on {os.cpu_count()} cores. Written by `benchmarks/speed.py`.")
    path = Path(__file__).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


def command_line(model: Path, clip: Path) -> list[tuple[str, str, str]]:
    """Whole processes: the help, and one clip classified."""
    rows = []
    for what, words in (
        ("`tinyscene --help`", ("--help",)),
        ("`tinyscene classify MODEL CLIP`, cold", ("classify", model, clip)),
    ):
        command = [sys.executable, "-m", "tinyscene", *map(str, words)]
        seconds = best(lambda command=command: subprocess.run(command, check=True, capture_output=True), 7)
        measured = subprocess.run(
            [sys.executable, "-c", f"import subprocess; subprocess.run({command!r}, capture_output=True); {PEAK}"],
            check=True,
            capture_output=True,
            text=True,
        )
        rows.append((what, f"{seconds:.2f} s", f"{int(measured.stdout) / 1024:.0f} MB at its peak"))
    return rows


def features() -> list[tuple[str, str, str]]:
    """Log-mel of one second (report 001's sizes), one clip at a time: ours beside the library one would take."""
    import librosa
    import torch

    from tinyscene import load_system
    from tinyscene.runtime import LogMel

    torch.set_num_threads(1)
    spectral = load_system("dsmn-1").frontend.numbers["spectral"]
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, RATE)).astype(np.float32)
    numbers = {key: value for key, value in spectral.constants().items() if key != "class"}
    twin, eager, tensor = LogMel(**numbers), spectral.build().eval(), torch.from_numpy(waveform)

    def by_librosa() -> np.ndarray:
        mel = librosa.feature.melspectrogram(
            y=waveform[0], sr=RATE, n_fft=4096, hop_length=1024, n_mels=256, htk=True, norm="slaney"
        )
        return np.log10(mel + 1e-10)

    with torch.inference_mode():
        times = {
            "librosa": best(by_librosa, 50),
            "torch front end": best(lambda: eager(tensor), 100),
            "numpy runtime twin": best(lambda: twin(waveform), 100),
        }
    return [
        (f"log-mel 256x44 of 1 s: {name}", f"{1e3 * t:.2f} ms", f"{times['librosa'] / t:.1f} x librosa's speed")
        for name, t in times.items()
    ]


def network(model: Path) -> list[tuple[str, str, str]]:
    """One window through the model file."""
    from tinyscene.runtime import Classifier

    classifier = Classifier(model)
    window = np.random.default_rng(0).normal(0, 0.1, (1, classifier.card.window_samples)).astype(np.float32)
    seconds = best(lambda: classifier.probabilities(window), 100)
    return [(f"one window through {model.name}", f"{1e3 * seconds:.2f} ms", "front end and network")]


def best(job: Callable[[], object], times: int) -> float:
    """Seconds of the fastest of `times` runs, after one to warm up."""
    job()
    smallest = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        job()
        smallest = min(smallest, time.perf_counter() - start)
    return smallest


if __name__ == "__main__":
    main()
