"""What each ingredient of a recipe gives tiny-vgg on ESC-10, alone: writes benchmarks/esc10_ingredients.md.

    python benchmarks/esc10_ingredients.py --data DIR [--choice runs/esc10-choice] [--only NAME ...] [--seed 1]

DIR (TINYSCENE_DATA without) holds esc10 and micirp. Every row is trained on the five folds; none of it chooses
anything (benchmarks/esc10_choice.py does). --choice is the --work of esc10_choice.py: what its networks say of folds
that they have not heard is one of the teachers. What is done is kept in --work and not done again; rows of before stay
in esc10_ingredients.json.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import lightning.pytorch as pl
import numpy as np
import torch
from esc10 import FOLDS, joined, short
from esc10_choice import NEEDS, csv_of
from esc10_training import LOG, RANDOM, WIDE, answers, changed, noted, opened, plain, responses, told, trained
from real_data import add_data, data_folder, run_main
from torch import nn

from tinyscene import load_system
from tinyscene.augment import BinGains, FreqMixStyle, Mixup, SpecAugment, Speed, Tempo, TimeRoll
from tinyscene.errors import DataError
from tinyscene.evaluate import Predictions
from tinyscene.evaluate.temperature import at_temperature, fit_temperature
from tinyscene.files import make_folder, write_whole
from tinyscene.pipeline.preparing import Prepared
from tinyscene.spec import Spec
from tinyscene.system import System
from tinyscene.train import predict, read_journal
from tinyscene.train.machine import PRECISIONS
from tinyscene.train.test_time import predict_augmented

HERE = Path(__file__).parent
LOOKS = 10
PLAIN = "plain: gain of 10 dB, 40 epochs"
RESPONSES, WIDER = "random responses", "wider: 112,858 parameters, 28.1 MMACs/s"
OWN = "random responses, wider: tiny-vgg"
TEACHERS = (RESPONSES, WIDER, OWN)  # of "heard"
WATCHED = "random curves of 4 dB over the bands: the recipe before"


@dataclass(frozen=True)
class Row:
    """One row: the system, and who teaches it or in what other way a trained network is asked."""

    system: Callable[[System, Path], System]
    teacher: str = ""  # "unheard", "heard": see `taught_by`
    of: str = ""  # a row whose networks are asked again
    looks: int = 1
    watched: bool = False  # asked about the held-out fold after every epoch


class Watch(pl.Callback):
    """What the network reaches on the held-out clips, epoch after epoch: nothing learns of it."""

    def __init__(self, prepared: Prepared):
        self.prepared, self.store = prepared, prepared.store(prepared.split.test, "windows")
        self.target = prepared.dataset.take(prepared.split.test).target
        self.accuracy: list[float] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        network: Any = pl_module.network
        network.eval()
        finish, rows = self.prepared.front_end.finish, np.arange(len(self.store))
        said = predict(network, finish, self.prepared.decide, self.store, rows)
        self.accuracy.append(float((said.argmax(1) == self.target).mean()))
        network.train()


def place(name: str, *parts: Spec) -> Callable[[System, Path], System]:
    """Plain, with these at that place, after what is there."""

    return lambda system, _: changed(plain(system, 40), **{name: parts})


def gain(**fields: Any) -> Callable[[System, Path], System]:
    """Plain, with the gain changed."""
    return lambda system, _: (base := plain(system, 40)).but(
        augment=replace(base.augment, bands=(base.augment.bands[0].but(**fields),))
    )


def fit(**fields: Any) -> Callable[[System, Path], System]:
    """Plain, with the training stage changed."""
    return lambda system, _: (base := plain(system, 40)).but(recipe=(base.recipe[0].but(**fields), *base.recipe[1:]))


def heard_through_microphones(system: System, data: Path) -> System:
    """Plain, with measured responses of microphones on power spectra."""
    return changed(plain(system, 40), spectrum=(responses(data),))


TAUGHT = {"teacher_weight": 0.5, "teacher_temperature": 2.0}
MASKS = Spec(SpecAugment, band_masks=1, band_width=16, frame_masks=1, frame_width=10, fill=0.0)
ROWS: dict[str, Row] = {
    PLAIN: Row(lambda system, _: plain(system, 40)),
    "no gain": Row(gain(gain_db=0.0)),
    WATCHED: Row(gain(curve_db=4.0), watched=True),
    "mixup, Beta(0.3)": Row(place("bands", Spec(Mixup, alpha=0.3))),
    "a mask in time, one in frequency": Row(place("features", MASKS)),
    "Freq-MixStyle": Row(place("bands", Spec(FreqMixStyle, alpha=0.3, p=0.4))),
    "FFT-bin gains": Row(place("spectrum", Spec(BinGains, alpha=0.5))),
    RESPONSES: Row(place("spectrum", RANDOM)),
    "device responses (MicIRP)": Row(heard_through_microphones),
    "speed, 0.8 to 1.25": Row(place("wave", Spec(Speed, slowest=0.8, fastest=1.25, p=0.7))),
    "tempo, 0.75 to 1.25": Row(place("wave", Spec(Tempo, factors=(0.75, 0.85, 1.15, 1.25), p=0.5))),
    "mean of the last 10 epochs": Row(fit(select="mean", mean_epochs=10)),
    WIDER: Row(lambda system, _: (base := plain(system, 40)).but(model=base.model.but(widths=WIDE))),
    OWN: Row(lambda system, _: system),
    "taught by networks that had not heard the clip": Row(fit(**TAUGHT), teacher="unheard"),
    "taught by the mean of three networks that had: random responses, wider, both": Row(fit(**TAUGHT), teacher="heard"),
    f"{LOOKS} looks, rolled in time ({LOOKS} times the MACs)": Row(
        lambda system, _: plain(system, 40), of=PLAIN, looks=LOOKS
    ),
}


def main() -> None:
    """Train what is not trained yet, then write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add_data(options, *NEEDS)
    options.add_argument("--choice", type=Path, default=Path("runs/esc10-choice"), help="--work of esc10_choice.py")
    options.add_argument("--work", type=Path, default=Path("runs/esc10-ingredients"), help="what is done, kept")
    options.add_argument("--out", type=Path, default=HERE, help="folder of the table")
    options.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--precision", default="32-true", choices=PRECISIONS)
    chosen = options.parse_args()
    data = data_folder(chosen.data, *NEEDS)
    file = chosen.out / "esc10_ingredients.json"
    check_earlier(chosen.only, chosen.seed, chosen.work, chosen.choice, kept(file))
    make_folder(chosen.work, "Choose another --work.")
    for name in chosen.only:
        for fold in FOLDS:
            key = {"name": name, "fold": fold, "seed": chosen.seed}
            make = partial(one, name, fold, chosen.seed, data, chosen.work, chosen.choice, chosen.precision)
            noted(chosen.work / LOG, key, make)
    known = [row for row in kept(file) if row["seed"] != chosen.seed or row["name"] not in chosen.only]
    rows = known + [summed(name, chosen.work, chosen.seed) for name in chosen.only]
    write_whole(file, "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    text = table([row for row in rows if row["seed"] == chosen.seed])
    write_whole(chosen.out / "esc10_ingredients.md", text)
    print(text)


def check_earlier(only: list[str], seed: int, work: Path, choice: Path, rows: list[dict[str, Any]]) -> None:
    """DataError where a row that is not done asks networks that are neither there nor trained before it.

    rows: of the table of before; all are compared with the plain one.
    """
    if PLAIN not in only and not any((row["name"], row["seed"]) == (PLAIN, seed) for row in rows):
        raise DataError(f"rows are compared with '{PLAIN}', and there is none of seed {seed}. Name it with --only too.")
    done = {(row["name"], row["fold"]) for row in read_journal(work / LOG) if row["seed"] == seed}
    for i, name in enumerate(only):
        row, folds = ROWS[name], [fold for fold in FOLDS if (name, fold) not in done]
        missing = [path for fold in folds for path in unheard(fold, choice) if not path.is_file()]
        if row.teacher == "unheard" and missing:
            raise DataError(
                f"'{name}' needs {missing[0]}. Run benchmarks/esc10_choice.py first, name its --work with --choice, or "
                "leave the row out: --only."
            )
        asked = (row.of,) if row.of else TEACHERS if row.teacher == "heard" else ()
        for other in asked:
            if other not in only[:i] and not done.issuperset((other, fold) for fold in folds):
                raise DataError(f"'{name}' needs the networks of '{other}' in {work}. Name that before it with --only.")


def kept(file: Path) -> list[dict[str, Any]]:
    """The rows of before."""
    return json.loads(file.read_text()) if file.is_file() else []


def one(name: str, fold: int, seed: int, data: Path, work: Path, choice: Path, precision: str) -> dict[str, Any]:
    """One training, or one look at trained networks; its answers lie in --work."""
    row, file = ROWS[name], work / file_of(name, fold, seed)
    prepared = opened(row.system(load_system("tiny-vgg"), data), data / "esc10", seed, (fold,))
    if row.of:
        network = prepared.network()
        weights = (work / file_of(row.of, fold, seed)).with_suffix(".pt")
        network.load_state_dict(torch.load(weights, weights_only=True))
        looks(prepared, network.eval(), row.looks).write_csv(file)
        return {"cpu_seconds": 0.0, "precision": precision}
    teacher = taught_by(row.teacher, prepared, fold, seed, work, choice) if row.teacher else None
    watch = Watch(prepared) if row.watched else None
    callbacks = [watch] if watch else []
    network, spent = trained(prepared, work / f"training-{os.getpid()}", precision, teacher, callbacks)
    answers(prepared, network, prepared.split.test).write_csv(file)
    answers(prepared, network, prepared.split.train).write_csv(file.with_suffix(".heard.csv"))
    torch.save(network.state_dict(), file.with_suffix(".pt"))
    return {"cpu_seconds": spent, "precision": precision} | ({"epochs": watch.accuracy} if watch else {})


def looks(prepared: Prepared, network: nn.Module, n: int) -> Predictions:
    """The mean of so many looks at each window, rolled by chance."""
    rows = prepared.split.test
    store, finish = prepared.store(rows, "windows"), prepared.front_end.finish
    parts: list[Any] = [TimeRoll(deviation=20.0)]
    said = predict_augmented(network, finish, prepared.decide, store, np.arange(len(store)), parts, n, prepared.seed)
    return told(prepared, rows, said)


def taught_by(who: str, prepared: Prepared, fold: int, seed: int, work: Path, choice: Path) -> np.ndarray:
    """What a teacher says of the training clips; it has not heard the fold that is held out either.

    "unheard": for each clip, the network of esc10_choice.py that was trained without its fold and the held-out one.
    "heard": the mean of the networks of TEACHERS, which were trained on these very clips.
    """
    files = [str(file) for file in prepared.dataset.files[prepared.split.train]]
    if who == "heard":
        said = [Predictions.read_csv((work / file_of(name, fold, seed)).with_suffix(".heard.csv")) for name in TEACHERS]
        by_file = [dict(zip(map(str, one.files or ()), one.probabilities, strict=True)) for one in said]
        return np.mean([[found[file] for file in files] for found in by_file], 0)
    found = {}
    for path in unheard(fold, choice):
        one = Predictions.read_csv(path)
        found |= dict(zip(map(str, one.files or ()), one.probabilities, strict=True))
    return np.array([found[file] for file in files])


def unheard(fold: int, choice: Path) -> list[Path]:
    """What networks of esc10_choice.py say of each other fold: they were trained without it and without `fold`."""
    pairs = {other: (min(fold, other), max(fold, other)) for other in FOLDS if other != fold}
    return [choice / csv_of("all augmentations, 100 epochs", pair, other, 1) for other, pair in pairs.items()]


def file_of(name: str, fold: int, seed: int) -> str:
    """The file of a training's answers."""
    short = "-".join("".join(c if c.isalnum() else " " for c in name).split())
    return f"{short}-fold{fold}-seed{seed}.csv"


def summed(name: str, work: Path, seed: int) -> dict[str, Any]:
    """What a row's five trainings gave; for a watched one also its last and its best epoch on the held-out clips."""
    own = [row for row in read_journal(work / LOG) if (row["name"], row["seed"]) == (name, seed)]
    said = [Predictions.read_csv(work / file_of(name, fold, seed)) for fold in FOLDS]
    every, cooled = short(joined(said)), short(joined([calibrated(said, i) for i in range(len(said))]))
    watched = [row["epochs"] for row in own if "epochs" in row]
    seen = (
        {
            "last": float(100 * np.mean([epochs[-1] for epochs in watched])),
            "best": float(100 * np.mean([max(epochs) for epochs in watched])),
            "of": len(watched[0]),
        }
        if watched
        else None
    )
    return {
        "name": name,
        "seed": seed,
        "precision": own[0]["precision"],
        "accuracy": 100 * every["accuracy"],
        "folds": [round(100 * short(one)["accuracy"], 4) for one in said],
        "log_loss": round(every["log_loss"], 5),
        "calibrated": round(cooled["log_loss"], 5),
        "cpu_minutes": round(float(np.mean([row["cpu_seconds"] for row in own])) / 60, 2),
        "watched": seen,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Every row, and what it gave beside the plain one."""
    by_name = {row["name"]: row for row in rows}
    first = by_name[PLAIN]
    lines = [
        "| `tiny-vgg` with | accuracy | against plain | folds 1-5 | log loss | calibrated | against plain | CPU min |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in (by_name[name] for name in ROWS if name in by_name):
        folds = ", ".join(f"{value:.1f}" for value in row["folds"])
        lines.append(
            f"| {row['name']} | {row['accuracy']:.2f} % | {row['accuracy'] - first['accuracy']:+.2f} | {folds} | "
            f"{row['log_loss']:.3f} | {row['calibrated']:.3f} | {row['calibrated'] - first['calibrated']:+.3f} | "
            f"{row['cpu_minutes'] or '':{'.1f' if row['cpu_minutes'] else ''}} |"
        )
    precisions = ", ".join(sorted({row["precision"] for row in rows}))
    lines += [
        "",
        "Each row is the plain recipe with this one thing changed; five official folds, float32 network, "
        f"{precisions}, seed {first['seed']}, 400 clips in all: a point is four clips, two seeds of one recipe differ "
        "by one. Nothing was chosen by this table. Calibrated: log loss at a temperature fitted on the other folds' "
        "answers. Teachers have not heard the held-out fold, nor has anyone who taught them. CPU minutes are of "
        "several machines. Written by `benchmarks/esc10_ingredients.py`.",
    ]
    if missing := [name for name in ROWS if name not in by_name]:
        lines += ["", f"Not run on all folds: {'; '.join(missing)}."]
    if seen := by_name.get(WATCHED, {}).get("watched"):
        lines += [
            "",
            "What choosing the epoch on test data would seem to give: the trainings of the recipe before reach "
            f"{seen['last']:.2f} % in their last epoch and **{seen['best']:.2f} %** in the epoch that is best on the "
            f"held-out fold, fold by fold: {seen['best'] - seen['last']:.2f} points more, out of {seen['of']} epochs "
            "to choose from. No other figure here is chosen so.",
        ]
    return "\n".join(lines) + "\n"


def calibrated(said: list[Predictions], i: int) -> Predictions:
    """The answers on one fold at a temperature fitted on those on the others."""
    others = joined([other for j, other in enumerate(said) if j != i])
    t = fit_temperature(others.probabilities, others.target)
    return replace(said[i], probabilities=at_temperature(said[i].probabilities, t))


if __name__ == "__main__":
    run_main(main)
