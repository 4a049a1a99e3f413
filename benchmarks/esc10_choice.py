"""Which recipe tiny-vgg has, by nested cross-validation on ESC-10: writes benchmarks/esc10_choice.md.

    python benchmarks/esc10_choice.py --data DIR [--only NAME ...] [--seed 1] [--precision bf16-mixed]

DIR (TINYSCENE_DATA without) holds esc10 and micirp. For each pair of folds a network is trained on the other
three and asked about both. The answers on fold j of the networks that saw neither i nor j are what is known when a
recipe is chosen for fold i: four folds, no clip of fold i among them, heard or asked. What is chosen for each fold is
trained once more on the four others and asked about it: that is what choosing so is worth. What is done is kept in
--work and not done again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from esc10 import joined
from esc10_training import (
    LOG,
    RANDOM,
    WIDE,
    all_augmentations,
    answers,
    changed,
    noted,
    opened,
    plain,
    responses,
    trained,
)
from real_data import add_data, data_folder, run_main

from tinyscene import load_system
from tinyscene.augment import BandGains, Speed
from tinyscene.evaluate import Predictions, measure
from tinyscene.evaluate.temperature import at_temperature, fit_temperature
from tinyscene.files import make_folder, write_whole
from tinyscene.pipeline import circumstances
from tinyscene.spec import Spec
from tinyscene.system import System
from tinyscene.train import read_journal
from tinyscene.train.machine import PRECISIONS

HERE = Path(__file__).parent
FOLDS = (1, 2, 3, 4, 5)
NEEDS = ("esc10", "micirp/ir/*.wav")
Recipe = Callable[[System, Path], System]  # tiny-vgg and the folder of the data -> a candidate


def beside(*parts: str, epochs: int = 40, window_s: float = 1.5, **model: Any) -> Recipe:
    """Plain, with these of PARTS, so many epochs, such windows, and changes of the network."""

    def made(system: System, data: Path) -> System:
        system = plain(system, epochs)
        system = system.but(model=system.model.but(**model), task=replace(system.task, window_s=window_s))
        for part in parts:
            system = changed(system, **PARTS[part](data))
        return system

    return made


def curves(curve_db: float, nodes: int, p: float) -> Spec:
    """Random curves over the log bands."""
    return Spec(BandGains, gain_db=0.0, curve_db=curve_db, nodes=nodes, log="log10", floor=1e-7, p=p)


PARTS: dict[str, Callable[[Path], dict[str, tuple[Spec, ...]]]] = {
    "curves": lambda _: {"bands": (curves(4.0, 5, 1.0),)},
    "deep curves": lambda _: {"bands": (curves(9.0, 12, 0.6),)},
    "random": lambda _: {"spectrum": (RANDOM,)},
    "measured": lambda data: {"spectrum": (responses(data),)},
    "speed": lambda _: {"wave": (Spec(Speed, slowest=0.8, fastest=1.25, p=0.7),)},
}
CANDIDATES: dict[str, Recipe] = {
    "plain, 40 epochs": beside(),
    "all augmentations, 100 epochs": lambda system, _: all_augmentations(system),
    "curves of 4 dB, 40 epochs": beside("curves"),
    "curves of 4 dB, wider, 40 epochs": beside("curves", widths=WIDE),
    "deep curves": beside("deep curves"),
    "responses": beside("measured"),
    "responses, speed": beside("measured", "speed"),
    "responses, 3 s, 60 epochs": beside("measured", epochs=60, window_s=3.0),
    "random responses": beside("random"),
    "random responses, wider": beside("random", widths=WIDE),
}


def main() -> None:
    """Train what is not trained yet, then write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add_data(options, *NEEDS)
    options.add_argument("--work", type=Path, default=Path("runs/esc10-choice"), help="what is done, kept")
    options.add_argument("--out", type=Path, default=HERE, help="folder of the table")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), metavar="NAME")
    options.add_argument("--precision", default="32-true", choices=PRECISIONS)
    chosen = options.parse_args()
    data = data_folder(chosen.data, *NEEDS)
    make_folder(chosen.work, "Choose another --work.")
    for name in chosen.only:
        for pair in combinations(FOLDS, 2):
            once(name, pair, chosen.seed, data, chosen.work, chosen.precision)
    known = {name: known_of(name, chosen.work, chosen.seed) for name in whole(chosen.work, chosen.seed)}
    best = {fold: min(known, key=lambda name, fold=fold: known[name][fold]["calibrated"]) for fold in FOLDS}
    for fold, name in best.items():
        once(name, (fold,), chosen.seed, data, chosen.work, chosen.precision)
    text = table(known, best, chosen.work, chosen.seed)
    write_whole(chosen.out / "esc10_choice.md", text)
    print(text)


def once(name: str, folds: tuple[int, ...], seed: int, data: Path, work: Path, precision: str) -> None:
    """One training without these folds, unless it is there."""
    key = {"name": name, "folds": list(folds), "seed": seed}
    noted(work / LOG, key, lambda: one(name, folds, seed, data, work, precision))


def whole(work: Path, seed: int) -> list[str]:
    """The candidates that have all their trainings."""
    done = [row["name"] for row in read_journal(work / LOG) if row["seed"] == seed and len(row["folds"]) == 2]
    return [name for name in CANDIDATES if done.count(name) == len(FOLDS) * (len(FOLDS) - 1) // 2]


def known_of(name: str, work: Path, seed: int) -> dict[int, dict[str, Any]]:
    """What is known of a candidate when it is chosen for a fold."""
    return {fold: known_without(work, name, fold, seed) for fold in FOLDS}


def one(name: str, folds: tuple[int, ...], seed: int, data: Path, work: Path, precision: str) -> dict[str, Any]:
    """One training without the folds; its answers on each lie in --work."""
    prepared = opened(CANDIDATES[name](load_system("tiny-vgg"), data), data / "esc10", seed, folds)
    network, spent = trained(prepared, work / f"training-{os.getpid()}", precision)
    for fold in folds:
        rows = np.flatnonzero(prepared.dataset.fold.astype(str) == str(fold))
        answers(prepared, network, rows).write_csv(work / csv_of(name, folds, fold, seed))
    return {"cpu_seconds": spent, "precision": precision, "machine": circumstances()}


def csv_of(name: str, folds: tuple[int, ...], fold: int, seed: int) -> str:
    """The file of a training's answers on one fold."""
    short = name.replace(" ", "-").replace(",", "").replace(".", "")
    return f"{short}-without{''.join(map(str, folds))}-on{fold}-seed{seed}.csv"


def table(known: dict[str, dict[int, dict[str, Any]]], best: dict[int, str], work: Path, seed: int) -> str:
    """For each fold what every candidate reaches on the other four, who is chosen, and what that gives."""
    done = [row for row in read_journal(work / LOG) if row["seed"] == seed and row["name"] in known]
    lines = [
        "| recipe | " + " | ".join(f"for fold {fold}" for fold in FOLDS) + " | mean | log loss as it is | CPU min |",
        "|---|" + 8 * "---|",
    ]
    for name, by_fold in known.items():
        cells = [f"{100 * f['accuracy']:.1f} %, {f['calibrated']:.3f}" for f in by_fold.values()]
        spent = [row["cpu_seconds"] for row in done if row["name"] == name and len(row["folds"]) == 2]
        accuracy, cooled, loss = (
            np.mean([f[key] for f in by_fold.values()]) for key in ("accuracy", "calibrated", "log_loss")
        )
        lines.append(
            f"| {name} | {' | '.join(cells)} | {100 * accuracy:.2f} %, {cooled:.3f} | {loss:.3f} | "
            f"{np.mean(spent) / 60:.1f} |"
        )
    precisions = ", ".join(sorted({row["precision"] for row in done}))
    said = [Predictions.read_csv(work / csv_of(name, (fold,), fold, seed)) for fold, name in best.items()]
    nested = measure(joined(said))
    return "\n".join(
        [
            *lines,
            "",
            *(f"{line}\n" for line in left(work, seed)),
            "Accuracy and log loss on the four other folds, of networks that were trained without that fold and "
            "without the one they are asked about (240 clips). Log loss at a temperature fitted to it, which costs "
            "nothing later: it chooses, accuracies of 320 clips being too near. "
            f"Seed {seed}, {precisions}. Best for folds 1 to 5: {'; '.join(best.values())}.",
            "",
            "Chosen so for each fold, trained on the four others and asked about it, float32, one seed: "
            f"**{100 * nested['accuracy']:.2f} %**, log loss {nested['log_loss']:.3f}; nothing of a fold had a part in "
            "what is said of it. Written by `benchmarks/esc10_choice.py`.",
            "",
        ]
    )


def left(work: Path, seed: int) -> list[str]:
    """What was begun and left before its ten pairs, beside plain and the measured responses on the same pairs."""
    done = [row for row in read_journal(work / LOG) if row["seed"] == seed and len(row["folds"]) == 2]
    pairs = {name: [tuple(row["folds"]) for row in done if row["name"] == name] for name in CANDIDATES}
    told = []
    for name, own in pairs.items():
        if not 0 < len(own) < len(list(combinations(FOLDS, 2))):
            continue
        cells = []
        for other in (name, "plain, 40 epochs", "responses"):
            every = joined(
                [Predictions.read_csv(work / csv_of(other, pair, fold, seed)) for pair in own for fold in pair]
            )
            reached = calibrated(every)
            cells.append(f"{100 * reached['accuracy']:.1f} %, {reached['log_loss']:.3f}")
        told.append(
            f"Left after {len(own)} of ten trainings: {name}: {cells[0]} (plain on the same: {cells[1]}; responses: "
            f"{cells[2]})."
        )
    return told


def calibrated(said: Predictions) -> dict[str, Any]:
    """The figures at a temperature fitted to them."""
    t = fit_temperature(said.probabilities, said.target)
    return measure(replace(said, probabilities=at_temperature(said.probabilities, t)))


def known_without(work: Path, name: str, fold: int, seed: int) -> dict[str, Any]:
    """The figures on all folds but `fold`, each asked of the network that saw neither."""
    others = [other for other in FOLDS if other != fold]
    pairs = [(min(fold, other), max(fold, other)) for other in others]
    said = [
        Predictions.read_csv(work / csv_of(name, pair, other, seed)) for pair, other in zip(pairs, others, strict=True)
    ]
    every = joined(said)
    return measure(every) | {"calibrated": calibrated(every)["log_loss"]}


if __name__ == "__main__":
    run_main(main)
