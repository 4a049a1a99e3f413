"""What a model costs at work, on one thread: milliseconds, cold start, memory, bytes. Writes runtime.md.

    python benchmarks/runtime.py [--only SYSTEM...] [--again]

Every network in its full size with random weights, which time does not ask for, as model files that `tinyscene export`
would write. What takes turns is measured in turns, so that a busy moment hits all alike. What is measured lies in
runtime.json, a network at a time: a killed run goes on; --again measures anew.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np
import onnxruntime
import soundfile
import torch
from parity import calibrated, distinct, forms_of, network_by_network
from runtime_rivals import LITERT, rivals

from tinyscene.evaluate import count_complexity, without_layers
from tinyscene.export import FORMS, Export, write_model
from tinyscene.pipeline.parity import made_sounds, sounds_of
from tinyscene.runtime import Classifier
from tinyscene.runtime.front_end import front_end as numpy_front_end
from tinyscene.runtime.session import Session
from tinyscene.system import System
from tinyscene.train import Decision

WARM = "dsmn-1"  # whose whole road is told, with others beside it
RUNS, ENOUGH_S, PROCESSES = 60, 3.0, 5
PRECISIONS = ("float32", "int8")
# A fresh process: what it prints is its seconds from the first import to the decision.
FRESH = """
import time; start = time.perf_counter()
import sys; from tinyscene import Classifier
Classifier(sys.argv[1], quick_start=True).classify(sys.argv[2])
print(time.perf_counter() - start)
"""
# A process inherits its parent's peak: one small process stands between this one and what is measured.
BETWEEN = """
import resource, subprocess, sys, time; start = time.perf_counter()
said = subprocess.run(sys.argv[1:], check=True, capture_output=True, text=True).stdout
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, said.split()[-1])
"""


def main() -> None:
    """Measure the networks that have no figures yet, then write the tables."""
    network_by_network(__file__, __doc__, measured, table)


def measured(system: System, folder: Path) -> dict[str, Any]:
    """Figures of one network."""
    rate, window = system.task.sample_rate_hz, system.window_samples
    sounds = sounds_of(made_sounds(rate, window), rate, window)
    waveforms = torch.from_numpy(sounds.windows)
    front_end, decide = system.frontend.build().eval(), Decision(system.model.fields["n_classes"])
    with torch.no_grad():
        features = torch.cat([front_end(part) for part in waveforms.split(4)])
    labels = tuple(system.task.classes) or tuple(f"class {i}" for i in range(decide.n_classes))
    files, exports = {}, {}
    network = calibrated(system, features)
    for precision, _, _, ready in forms_of(network, features):
        if precision not in PRECISIONS:
            continue
        counts = without_layers(count_complexity(network, features[:1], system.task.window_s))
        exports[precision] = Export(f"{system.name}-{precision}", system, labels, ready, decide, precision, counts, {})
        for form in FORMS:
            path = folder / f"{precision}-{form}.onnx"
            files[precision, form] = write_model(exports[precision], form, path, waveforms[:4])
    clip = folder / "clip.wav"
    soundfile.write(clip, np.clip(sounds.windows[0], -1, 1), rate, subtype="PCM_16")

    runtime = numpy_front_end(system.frontend.constants())
    given, wave = features[:1].numpy(), sounds.windows[:1]
    jobs: dict[str, Callable[[], object]] = {"front_end": lambda: runtime(wave)}
    for precision in PRECISIONS:
        file = files[precision, "features"]
        jobs[precision] = partial(Session(file.name, file.read_bytes()).run, "probabilities", features=given)
    for (precision, form), path in files.items():
        jobs[f"{precision} {form}, wav to decision"] = partial(Classifier(path).classify, clip)
    if system.name == WARM:
        jobs |= rivals(clip, system, network, decide, folder)
    times = in_turns(jobs)
    if system.name == WARM:
        for precision in PRECISIONS:
            (alone,) = in_turns({"alone": jobs[f"{precision} features, wav to decision"]}).values()
            times[f"{precision}, by itself"] = alone
    words = ["-c", FRESH, str(files["int8", "features"]), str(clip)]
    fresh = [whole_process(words) for _ in range(PROCESSES)]
    cold = [float(last) for _, _, last in fresh]
    more = {"commands": command_line(files["int8", "features"], clip)} if system.name == WARM else {}
    return more | {
        "machine": machine(),
        "window_s": system.task.window_s,
        "macs_per_s": exports["float32"].complexity["macs_per_s"],
        "ms": times,
        "cold_s": [min(cold), float(np.median(cold))],
        "peak_mib": max(peak for _, peak, _ in fresh),
        "bytes": {f"{precision} {form}": path.stat().st_size for (precision, form), path in files.items()},
    }


def in_turns(jobs: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """[smallest, median] milliseconds of each job, one run of each after the other."""
    for job in jobs.values():
        for _ in range(3):
            job()
    spent: dict[str, list[float]] = {name: [] for name in jobs}
    begin = time.perf_counter()
    while len(next(iter(spent.values()))) < 10 or (
        len(next(iter(spent.values()))) < RUNS and time.perf_counter() - begin < ENOUGH_S * len(jobs)
    ):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            spent[name].append(time.perf_counter() - start)
    return {name: [1e3 * min(times), 1e3 * float(np.median(times))] for name, times in spent.items()}


def whole_process(words: list[str]) -> tuple[float, float, str]:
    """(seconds, MiB at its peak, the last word it said) of a command in a process of its own."""
    between = [sys.executable, "-c", BETWEEN, sys.executable, *words]
    seconds, peak, last = subprocess.run(between, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(peak) / (1024 if sys.platform == "linux" else 1 << 20), last


def command_line(model: Path, clip: Path) -> dict[str, tuple[float, float]]:
    """(seconds, MiB at its peak) of whole commands: the fastest of PROCESSES, and the largest memory."""
    given, found = {"MODEL": str(model), "CLIP": str(clip)}, {}
    for words in (("--help",), ("classify", "MODEL", "CLIP")):
        runs = [whole_process(["-m", "tinyscene", *(given.get(w, w) for w in words)]) for _ in range(PROCESSES)]
        found[" ".join(("tinyscene", *words))] = min(run[0] for run in runs), max(run[1] for run in runs)
    return found


def machine() -> str:
    """What it was measured on."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = (line.partition(":")[2] for line in info.read_text().splitlines() if line.startswith("model name"))
        name = next(names, name).strip()
    return f"{name}, {os.cpu_count()} cores, onnxruntime {onnxruntime.__version__}, torch {torch.__version__}"


def table(kept: Mapping[str, Any]) -> list[str]:
    """The figures as Markdown."""
    lines = [
        "| network | window | MMACs/s | front end | network, float32 | int8 | wav file to decision, float32 | int8 "
        "| times real time, int8 | cold start | MiB at its peak | file: float32 | int8 | int8 with front end |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in (name for name in distinct() if name in kept):
        row = kept[name]
        ms, size = row["ms"], row["bytes"]
        whole = [ms[f"{precision} features, wav to decision"] for precision in PRECISIONS]
        cells = [
            f"{row['window_s']:g} s",
            f"{row['macs_per_s'] / 1e6:.1f}",
            *(_ms(ms[key]) for key in ("front_end", *PRECISIONS)),
            *(_ms(pair) for pair in whole),
            f"{1e3 * row['window_s'] / whole[1][1]:,.0f}",
            f"{row['cold_s'][0]:.2f} s",
            f"{row['peak_mib']:.0f}",
            *(f"{size[key]:,}" for key in ("float32 features", "int8 features", "int8 waveform")),
        ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    machines = sorted({row["machine"] for row in kept.values()})
    lines += [
        "",
        "Milliseconds for one window, smallest (median), on one thread, files as `tinyscene export` writes them. Wav "
        "file to decision: `Classifier.classify(path)` of a clip as long as the window, warm, decoding "
        "included. Cold start: a fresh process from its first import to the decision, smallest of "
        f"{PROCESSES}; its memory is the largest seen. {'; '.join(machines)}. Written by `benchmarks/runtime.py`.",
    ]
    return [*lines, *_warm(kept)]


def _warm(kept: Mapping[str, Any]) -> list[str]:
    """One second of sound, as a wav file, through DSMN-1 by every road, and the baseline beside it."""
    if WARM not in kept:
        return []
    ms = kept[WARM]["ms"]
    librosa = ms["librosa and torch eager, wav to decision"]
    rows = [(f"`{WARM}`, {key}", ms[key]) for key in ms if key.endswith(", wav to decision") and "librosa" not in key]
    rows = [("`dsmn-1`, librosa and torch eager, wav to decision", librosa), *rows]
    rows += [(key, ms[key]) for key in ("decoding alone", "soundfile alone")]
    lines = [
        "",
        "| one second of sound | ms, smallest (median) | times as fast as librosa and torch |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {_ms(pair)} | {librosa[1] / pair[1]:.1f} |" for name, pair in rows]
    lines.append(f"| {LITERT} | {_ms(ms[LITERT]) if LITERT in ms else 'not installed'} | |")
    alone = ", ".join(f"{precision} {_ms(ms[f'{precision}, by itself'])} ms" for precision in PRECISIONS)
    lines += [
        "",
        "In turns, in one process; ratios are of medians. A wav file of 16 bits. The same clip again and again, with "
        f"nothing else between, wav to decision, features in: {alone}.",
        "",
    ]
    lines += ["| command | seconds | MiB at its peak |", "|---|---|---|"]
    for command, (seconds, peak) in kept[WARM]["commands"].items():
        lines.append(f"| `{command}` | {seconds:.2f} | {peak:.0f} |")
    return [*lines, "", f"Whole processes, the fastest of {PROCESSES}; the model is `{WARM}` in int8."]


def _ms(pair: list[float]) -> str:
    return f"{pair[0]:.2f} ({pair[1]:.2f})"


if __name__ == "__main__":
    main()
