"""Which recipe tiny-vgg has, by nested cross-validation on ESC-10: writes benchmarks/esc10_choice.md.

    python benchmarks/esc10_choice.py --data DIR/esc10 [--only NAME ...] [--seed 1] [--precision bf16-mixed]

Without --data the folder esc10 in TINYSCENE_DATA is taken. For each pair of folds a network is trained on the other
three and asked about both. The answers on fold j of the networks that saw neither i nor j are what is known when a
recipe is chosen for fold i: four folds, no clip of fold i among them, heard or asked. What is done is kept in --work
and not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from esc10 import joined
from esc10_training import all_augmentations, answers, opened, plain, trained

from tinyscene import load_system
from tinyscene.evaluate import Predictions, measure
from tinyscene.evaluate.temperature import at_temperature, fit_temperature
from tinyscene.files import make_folder, write_whole
from tinyscene.pipeline import circumstances
from tinyscene.system import System
from tinyscene.train import read_journal

HERE = Path(__file__).parent
FOLDS = (1, 2, 3, 4, 5)
LOG = "done.jsonl"


def curves(system: System, curve_db: float, **model: Any) -> System:
    """Plain, 40 epochs, with random curves of so many dB over the bands, and changes of the network."""
    system = plain(system, 40)
    bands = (system.augment.bands[0].but(curve_db=curve_db),)
    return system.but(augment=replace(system.augment, bands=bands), model=system.model.but(**model))


WIDE = (24, 40, 64, 64, 72)
CANDIDATES = {
    "plain, 40 epochs": lambda system: plain(system, 40),
    "all augmentations, 100 epochs": all_augmentations,
    "curves of 4 dB, 40 epochs": lambda system: curves(system, 4.0),
    "curves of 4 dB, wider, 40 epochs": lambda system: curves(system, 4.0, widths=WIDE),
}


def main() -> None:
    """Train what is not trained yet, then write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--data", type=Path, default=None)
    options.add_argument("--work", type=Path, default=Path("runs/esc10-choice"), help="what is done, kept")
    options.add_argument("--out", type=Path, default=HERE, help="folder of the table")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), metavar="NAME")
    options.add_argument("--precision", default="32-true")
    chosen = options.parse_args()
    data = chosen.data or (Path(os.environ["TINYSCENE_DATA"]) / "esc10" if "TINYSCENE_DATA" in os.environ else None)
    if data is None:
        sys.exit("esc10_choice: give --data DIR, or set TINYSCENE_DATA to the folder that holds esc10.")
    make_folder(chosen.work, "Choose another --work.")
    for name in chosen.only:
        for pair in combinations(FOLDS, 2):
            key = {"name": name, "folds": list(pair), "seed": chosen.seed}
            if any(row.items() >= key.items() for row in read_journal(chosen.work / LOG)):
                continue
            row = key | one(name, pair, chosen.seed, data, chosen.work, chosen.precision)
            with (chosen.work / LOG).open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(name, pair, f"{row['cpu_seconds']:.0f} CPU s", flush=True)
    text = table(chosen.work, chosen.seed)
    write_whole(chosen.out / "esc10_choice.md", text)
    print(text)


def one(name: str, pair: tuple[int, int], seed: int, data: Path, work: Path, precision: str) -> dict[str, Any]:
    """One training without the two folds; its answers on both lie in --work."""
    prepared = opened(CANDIDATES[name](load_system("tiny-vgg")), data, seed, pair)
    network, spent = trained(prepared, work / f"training-{os.getpid()}", precision)
    for fold in pair:
        rows = np.flatnonzero(prepared.dataset.fold.astype(str) == str(fold))
        answers(prepared, network, rows).write_csv(work / csv_of(name, pair, fold, seed))
    return {"cpu_seconds": spent, "precision": precision, "machine": circumstances()}


def csv_of(name: str, pair: tuple[int, ...], fold: int, seed: int) -> str:
    """The file of a training's answers on one fold."""
    short = name.replace(" ", "-").replace(",", "").replace(".", "")
    return f"{short}-without{pair[0]}{pair[1]}-on{fold}-seed{seed}.csv"


def table(work: Path, seed: int) -> str:
    """For each fold what every candidate reaches on the other four, and who would be chosen."""
    done = [row for row in read_journal(work / LOG) if row["seed"] == seed]
    names = [n for n in CANDIDATES if sum(row["name"] == n for row in done) == len(FOLDS) * (len(FOLDS) - 1) // 2]
    known = {name: {fold: known_without(work, name, fold, seed) for fold in FOLDS} for name in names}
    lines = [
        "| recipe | " + " | ".join(f"for fold {fold}" for fold in FOLDS) + " | log loss as it is, mean | CPU min |",
        "|---|" + 7 * "---|",
    ]
    for name in names:
        cells = [f"{100 * f['accuracy']:.1f} %, {f['calibrated']:.3f}" for f in known[name].values()]
        minutes = np.mean([row["cpu_seconds"] for row in done if row["name"] == name]) / 60
        loss = np.mean([figures["log_loss"] for figures in known[name].values()])
        lines.append(f"| {name} | {' | '.join(cells)} | {loss:.3f} | {minutes:.1f} |")
    best = [min(names, key=lambda name, fold=fold: known[name][fold]["calibrated"]) for fold in FOLDS]
    precisions = ", ".join(sorted({row["precision"] for row in done}))
    return "\n".join(
        [
            *lines,
            "",
            "Accuracy and log loss on the four other folds, of networks that were trained without that fold and "
            "without the one they are asked about (240 clips). Log loss at a temperature fitted to it, which costs "
            "nothing later: it chooses, accuracies of 320 clips being too near. That it would was settled when these "
            "figures were known: by the log loss as it is the shorter training would be chosen. "
            f"Seed {seed}, {precisions}. Best for "
            f"folds 1 to 5: {'; '.join(best)}. Written by `benchmarks/esc10_choice.py`.",
            "",
        ]
    )


def known_without(work: Path, name: str, fold: int, seed: int) -> dict[str, Any]:
    """The figures on all folds but `fold`, each asked of the network that saw neither."""
    others = [other for other in FOLDS if other != fold]
    pairs = [(min(fold, other), max(fold, other)) for other in others]
    said = [
        Predictions.read_csv(work / csv_of(name, pair, other, seed)) for pair, other in zip(pairs, others, strict=True)
    ]
    every = joined(said)
    t = fit_temperature(every.probabilities, every.target)
    cooled = replace(every, probabilities=at_temperature(every.probabilities, t))
    return measure(every) | {"calibrated": measure(cooled)["log_loss"]}


if __name__ == "__main__":
    main()
