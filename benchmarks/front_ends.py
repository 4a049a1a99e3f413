"""How fast features are made, beside the libraries one would take instead. Writes front_ends.md.

    python benchmarks/front_ends.py

Log-mel of one second at 44.1 kHz: n_fft 2048, hop 1024, 256 bands. Every figure comes from the same minutes: the
contenders take turns, and the smallest of many runs counts. nnAudio and kaldi-native-fbank are measured where they are
installed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch

from tinyscene.frontends import LogMel
from tinyscene.runtime import LogMel as NumpyLogMel

RATE, N_FFT, HOP, BANDS = 44_100, 2_048, 1_024, 256
NUMBERS: dict[str, Any] = {
    "sample_rate_hz": RATE,
    "n_fft": N_FFT,
    "win_length": N_FFT,
    "hop_length": HOP,
    "n_mels": BANDS,
    "f_min": 0.0,
    "f_max": RATE / 2,
    "mel_scale": "htk",
    "mel_norm": None,
    "log": "log10",
    "floor": 1e-10,
}
OURS = ("tinyscene, numpy", "tinyscene, torch")


def main() -> None:
    """Measure one clip and a batch, on one thread and on all, and write the tables."""
    lines = []
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        for n, rounds in ((1, 30), (64, 3)):
            waveform = np.random.default_rng(0).normal(0, 0.1, (n, RATE)).astype(np.float32)
            seconds = in_turns({name: run(waveform) for name, run in contenders().items()}, rounds)
            what = "one clip" if n == 1 else f"a batch of {n}"
            lines += [f"**{what}, {threads} thread{'s' * (threads > 1)}**", ""]
            lines += [
                "| log-mel by | ms a clip | times tinyscene, numpy | times tinyscene, torch |",
                "|---|---|---|---|",
            ]
            for name, took in sorted(seconds.items(), key=lambda item: item[1]):
                ratios = " | ".join(f"{took / seconds[own]:.2f}" for own in OURS)
                lines.append(f"| {name} | {1000 * took / n:.3f} | {ratios} |")
            lines.append("")
    lines.append(
        f"1 s at 44.1 kHz, n_fft {N_FFT}, hop {HOP}, {BANDS} bands; {os.cpu_count()} cores, no GPU; smallest of many "
        'runs in turns. librosa as one calls it, `melspectrogram` and the logarithm; "dense" is torch.stft and one '
        "matrix product. Threads are torch's; numpy and librosa transform one clip on one. "
        "Written by `benchmarks/front_ends.py`."
    )
    path = Path(__file__).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


def contenders() -> dict[str, Callable[[np.ndarray], Callable[[], object]]]:
    """Name -> a function that takes waveforms (batch, time) and gives the work to be timed."""
    twin, eager, window = NumpyLogMel(**NUMBERS), LogMel(**NUMBERS).eval(), torch.hann_window(N_FFT)
    bank = torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=BANDS, htk=True, norm=None))

    def dense(x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(x, N_FFT, HOP, window=window, center=True, return_complex=True)
        return torch.log10(bank @ spectrum.abs().square() + 1e-10)

    def by_librosa(x: np.ndarray) -> np.ndarray:
        mel = librosa.feature.melspectrogram(
            y=x, sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS, htk=True, norm=None, pad_mode="reflect"
        )
        return np.log10(mel + 1e-10)

    def in_torch(work: Callable[[torch.Tensor], object]) -> Callable[[np.ndarray], Callable[[], object]]:
        def start(x: np.ndarray) -> Callable[[], object]:
            tensor = torch.from_numpy(x)

            def once() -> object:
                with torch.inference_mode():
                    return work(tensor)

            return once

        return start

    found: dict[str, Callable[[np.ndarray], Callable[[], object]]] = {
        "tinyscene, numpy": lambda x: lambda: twin(x),
        "tinyscene, torch": in_torch(eager),
        "torch.stft, dense": in_torch(dense),
        "librosa": lambda x: lambda: by_librosa(x),
    }
    try:
        from nnAudio.features import MelSpectrogram  # type: ignore[import-not-found]

        nn_audio = MelSpectrogram(
            sr=RATE,
            n_fft=N_FFT,
            hop_length=HOP,
            n_mels=BANDS,
            htk=True,
            norm=None,
            fmin=0.0,
            fmax=RATE / 2,
            verbose=False,
        )
        found["nnAudio"] = in_torch(lambda x: torch.log10(nn_audio(x) + 1e-10))
    except ImportError:
        pass
    return found


def in_turns(work: Mapping[str, Callable[[], object]], rounds: int, in_a_row: int = 10) -> dict[str, float]:
    """Seconds of the fastest run of each, all taking turns; in a row, since each finds the cache full of another's."""
    fastest = dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        for name, once in work.items():
            for _ in range(in_a_row):
                start = time.perf_counter()
                once()
                fastest[name] = min(fastest[name], time.perf_counter() - start)
    return fastest


if __name__ == "__main__":
    main()
