"""What runtime.py measures beside DSMN-1: librosa with torch, decoding alone, the baseline of 2022 in LiteRT."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from parity import calibrated, forms_of

from tinyscene.audio import read_audio
from tinyscene.errors import ModelError
from tinyscene.export import Export
from tinyscene.export.litert import write_litert
from tinyscene.pipeline.parity import made_sounds, sounds_of
from tinyscene.system import System
from tinyscene.systems import systems
from tinyscene.train import Decision

BASELINE = "dcase2022-baseline"
LITERT = f"`{BASELINE}` in LiteRT int8, waveform to decision"


def rivals(
    clip: Path, system: System, network: torch.nn.Module, decide: torch.nn.Module, folder: Path
) -> dict[str, Callable[[], object]]:
    """The same clip by librosa and torch to the same network's decision; decoding alone; the baseline in LiteRT."""
    import librosa
    import soundfile

    numbers = system.frontend.numbers["spectral"].constants()
    deltas = system.frontend.build().eval()
    rate = system.task.sample_rate_hz

    def by_librosa() -> int:
        y, _ = librosa.load(clip, sr=rate)
        mel = librosa.feature.melspectrogram(
            y=y,
            sr=rate,
            n_fft=numbers["n_fft"],
            win_length=numbers["win_length"],
            hop_length=numbers["hop_length"],
            n_mels=numbers["n_mels"],
            fmin=numbers["f_min"],
            fmax=numbers["f_max"],
            htk=numbers.get("mel_scale", "htk") == "htk",
            norm=numbers.get("mel_norm"),
        )
        bands = torch.from_numpy(np.log10(mel + numbers.get("floor", 1e-10)).astype(np.float32))[None, None]
        with torch.inference_mode():
            return int(decide(network(deltas.finish(bands))).argmax())

    jobs: dict[str, Callable[[], object]] = {
        "librosa and torch eager, wav to decision": by_librosa,
        "decoding alone": lambda: read_audio(clip, "mean"),
        "soundfile alone": lambda: soundfile.read(clip, dtype="float32"),
    }
    baseline = litert_baseline(folder)
    if baseline is not None:
        jobs[LITERT] = baseline
    return jobs


def litert_baseline(folder: Path) -> Callable[[], object] | None:
    """The baseline of 2022 in LiteRT, int8, one window; None where LiteRT or its converter is not installed."""
    if not (find_spec("ai_edge_litert") and find_spec("litert_torch")):
        return None
    from tinyscene.runtime.litert_model import LitertModel

    system = systems()[BASELINE]
    rate, window = system.task.sample_rate_hz, system.window_samples
    sounds = sounds_of(made_sounds(rate, window), rate, window)
    waveforms = torch.from_numpy(sounds.windows)
    with torch.no_grad():
        features = system.frontend.build().eval()(waveforms)
    ready = next(form[3] for form in forms_of(calibrated(system, features), features) if form[0] == "int8")
    decide = Decision(system.model.fields["n_classes"])
    export = Export(BASELINE, system, tuple(system.task.classes), ready, decide, "int8", {}, {})
    try:
        model = LitertModel.read(write_litert(export, folder / "baseline.tflite", waveforms[:2]))
    except ModelError as error:
        print(f"runtime: {error}", file=sys.stderr)
        return None
    return lambda: model.probabilities(sounds.windows[:1])
