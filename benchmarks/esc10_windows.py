"""How a clip is cut into windows, asked of trained networks: writes benchmarks/esc10_windows.md.

    python benchmarks/esc10_windows.py [--folds runs/esc10] [--seeds 1 2 3]

Needs the runs of benchmarks/esc10.py; nothing is trained. What is known when the cut is chosen for a fold are the
answers on the four other folds.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import torch
from esc10 import FOLDS, check_runs, joined, run_of, short
from real_data import run_main

from tinyscene.cli.run_verbs import opened
from tinyscene.evaluate import Predictions
from tinyscene.files import write_whole
from tinyscene.pipeline import finished_stages
from tinyscene.pipeline.stages import restore
from tinyscene.train import predict

HERE = Path(__file__).parent
CUTS = {  # seconds of a window, from one to the next, dB below the loudest from which one is left out
    "1.5 s": (1.5, None, 0.0),
    "1.5 s, 30 dB below the loudest left out (tiny-vgg)": (1.5, None, 30.0),
    "1.5 s, 15 dB below the loudest left out": (1.5, None, 15.0),
    "1.5 s, every 0.75 s": (1.5, 0.75, 0.0),
    "2.5 s": (2.5, None, 0.0),
    "2.5 s, 30 dB below the loudest left out": (2.5, None, 30.0),
    "5 s: the clip as one": (5.0, None, 0.0),
}


def main() -> None:
    """Ask every run in every way, then write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--folds", type=Path, default=Path("runs/esc10"), help="--work of benchmarks/esc10.py")
    options.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    chosen = options.parse_args()
    check_runs(chosen.folds, chosen.seeds)
    torch.set_num_threads(1)
    said = {name: {fold: [] for fold in FOLDS} for name in CUTS}
    for seed in chosen.seeds:
        for fold in FOLDS:
            for name, one in answers(run_of(chosen.folds, seed, fold)).items():
                said[name][fold].append(one)
    write_whole(HERE / "esc10_windows.md", table(said, chosen.seeds))
    print((HERE / "esc10_windows.md").read_text())


def answers(run: Path) -> dict[str, Predictions]:
    """What the run's float network says of its test clips, cut in each way."""
    prepared, _ = opened(run)
    network = restore(prepared, run, finished_stages(prepared, run)[0])
    clips = prepared.dataset.take(prepared.split.test)
    files, recordings = list(map(str, clips.files)), list(map(str, clips.recording))
    found = {}
    for name, (window_s, hop_s, quiet_db) in CUTS.items():
        system = prepared.system.but(
            task=replace(prepared.system.task, window_s=window_s),
            inference=replace(prepared.system.inference, hop_s=hop_s, quiet_db=quiet_db),
        )
        store = replace(prepared, system=system).store(prepared.split.test, "windows")
        probabilities = predict(network, prepared.front_end.finish, prepared.decide, store, np.arange(len(store)))
        found[name] = Predictions(clips.classes, probabilities, clips.target, files=files, recordings=recordings)
    return found


def table(said: dict[str, dict[int, list[Predictions]]], seeds: list[int]) -> str:
    """Means over folds and seeds, and what would be chosen for each fold by the others."""
    lines = ["| windows | accuracy | log loss | log loss on all folds but 1, 2, 3, 4, 5 |", "|---|---|---|---|"]
    others = {}
    for name, folds in said.items():
        every = short(joined([one for own in folds.values() for one in own]))
        others[name] = [
            short(joined([one for other, own in folds.items() if other != fold for one in own]))["log_loss"]
            for fold in FOLDS
        ]
        cells = ", ".join(f"{loss:.3f}" for loss in others[name])
        lines.append(f"| {name} | {100 * every['accuracy']:.2f} % | {every['log_loss']:.3f} | {cells} |")
    small = {name: losses for name, losses in others.items() if name.startswith("1.5 s") and "every" not in name}
    best = [min(small, key=lambda name, i=i: small[name][i]) for i in range(len(FOLDS))]
    lines += [
        "",
        f"`tiny-vgg`, float32, five folds, seeds {', '.join(map(str, seeds))}, trained on crops of 1.5 s and asked in "
        "these ways; no temperature. Of the windows of 1.5 s side by side, which cost a device 1.5 s of memory and no "
        f"second look, the best for folds 1 to 5 by the other four: {'; '.join(best)}. Written by "
        "`benchmarks/esc10_windows.py`.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_main(main)
