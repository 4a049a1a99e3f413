"""tiny-vgg on microphones it never heard, one ingredient after another: writes benchmarks/esc10_devices.md.

    python benchmarks/esc10_devices.py --data DIR [--only NAME ...] [--folds 1] [--epochs 40] [--seed 1]

DIR (TINYSCENE_DATA without) holds esc10, micirp and esc10_mobile.json. The set of nine devices is made of them first,
with four more whose responses nothing else uses (every tenth of the pool): devices beyond the nine. What is done stands
in esc10_devices.jsonl beside the table, a line a training, and is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from esc10_training import RANDOM, all_augmentations, answers, noted, of_epochs, opened, trained
from real_data import add_data, data_folder, run_main

from tinyscene import load_system
from tinyscene.augment import (
    AutoLevel,
    BinGains,
    DeviceResponse,
    FreqMixStyle,
    Pix2pix,
    SpectrumCorrection,
)
from tinyscene.data.device_spec import read_spec
from tinyscene.data.simulate_devices import simulate_devices
from tinyscene.files import make_folder, write_whole
from tinyscene.pipeline.pix2pix import own_generators
from tinyscene.pipeline.robust import robust
from tinyscene.spec import Spec
from tinyscene.system import System
from tinyscene.train import read_journal
from tinyscene.train.machine import PRECISIONS
from tinyscene.train.pix2pix_fit import Pix2PixSettings

HERE = Path(__file__).parent
DONE = "esc10_devices.jsonl"
FOLDS = (1, 2, 3, 4, 5)
NEEDS = ("esc10", "micirp/ir/*.wav", "esc10_mobile.json")
BEYOND = ("s7", "s8", "s9", "s10")
GROUPS = {
    "a": ("a",),
    "b, c": ("b", "c"),
    "s1-s3": ("s1", "s2", "s3"),
    "s4-s6": ("s4", "s5", "s6"),
    "s7-s10": BEYOND,
}

Variant = Callable[[System, Path, tuple[str, ...]], System]  # system, responses, names of them not to use


def main() -> None:
    """Make the set, train what is not trained yet, then write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add_data(options, *NEEDS)
    options.add_argument("--work", type=Path, default=Path("runs/esc10-devices"), help="the set of devices, answers")
    options.add_argument("--out", type=Path, default=HERE, help="folder of the table and of what is done")
    options.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    options.add_argument("--folds", nargs="+", type=int, choices=FOLDS, default=[1])
    options.add_argument("--epochs", type=int, default=40)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--precision", default="32-true", choices=PRECISIONS)
    chosen = options.parse_args()
    data = data_folder(chosen.data, *NEEDS)
    spec, taken = with_more_devices(data)
    make_folder(chosen.work, "Choose another --work.")
    folder = data / "micirp" / "ir"
    mobile = simulate_devices(data / "esc10", spec, chosen.work / "esc10-mobile", 16, responses=folder)
    for fold in chosen.folds:
        for name in chosen.only:
            key = {"name": name, "fold": fold, "epochs": chosen.epochs, "seed": chosen.seed}
            noted(chosen.out / DONE, key, partial(one, key, mobile, folder, taken, chosen.work, chosen.precision))
    text = table(read_journal(chosen.out / DONE), chosen.epochs, chosen.seed)
    write_whole(chosen.out / "esc10_devices.md", text)
    print(text)


def with_more_devices(data: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The spec with the devices BEYOND to test on, and every response that a device has: none of them may train."""
    read_spec(data / "esc10_mobile.json", data / "micirp" / "ir")  # refuses what cannot be used
    spec = json.loads((data / "esc10_mobile.json").read_text())
    named = {device["impulse_response"] for device in spec["devices"].values()}
    pool = sorted(path.name for path in (data / "micirp" / "ir").glob("*.wav") if path.name not in named)
    compressor = {"threshold_db": -22, "ratio": 2.5, "attack_ms": 5.0, "release_ms": 50.0}
    for name, response in zip(BEYOND, pool[5::10], strict=False):
        spec["devices"][name] = {"impulse_response": response, "compressor": compressor}
        spec["test_devices"].append(name)
        named.add(response)
    return spec, tuple(sorted(named))


def beside(**parts: Spec) -> Variant:
    """The first recipe, with a part at each of these places before what is there."""

    def made(system: System, *_: Any) -> System:
        system = first_recipe(system)
        before = {place: (part, *getattr(system.augment, place)) for place, part in parts.items()}
        return system.but(augment=replace(system.augment, **before))

    return made


def first_recipe(system: System, *_: Any) -> System:
    """Gains, mixup and masks, in the network's first widths: nothing against devices."""
    system = all_augmentations(system)
    gain, *others = system.augment.bands
    return system.but(augment=replace(system.augment, bands=(gain.but(curve_db=0.0), *others)))


def measured(folder: Path, taken: tuple[str, ...]) -> Spec:
    """Measured responses, none that a device has."""
    return Spec(DeviceResponse, folder=str(folder.resolve()), p=0.6, exclude=taken)


ALONE = "tiny-vgg as it is, trained on device a alone"
STYLE = Spec(FreqMixStyle, alpha=0.3, p=0.4)
TRANSLATED = Spec(Pix2pix, p=0.5, training=Spec(Pix2PixSettings, epochs=10, width=16))

VARIANTS: dict[str, Variant] = {
    "nothing against devices": first_recipe,
    "random curves of 4 dB": lambda system, *_: all_augmentations(system),
    "Freq-MixStyle": beside(bands=STYLE),
    "spectrum correction": beside(bands=Spec(SpectrumCorrection, p=0.5, main="a")),
    "auto level": beside(features=Spec(AutoLevel, p=0.5)),
    "FFT-bin gains": beside(spectrum=Spec(BinGains, alpha=0.5)),
    "pix2pix": beside(features=TRANSLATED),
    "device responses": lambda system, *of: beside(spectrum=measured(*of))(system, *of),
    "random responses": beside(spectrum=RANDOM),
    "responses, Freq-MixStyle": lambda system, *of: beside(spectrum=measured(*of), bands=STYLE)(system, *of),
    "random responses, Freq-MixStyle": beside(spectrum=RANDOM, bands=STYLE),
    ALONE: lambda system, *_: system,
    "tiny-vgg as it is (random responses, wider)": lambda system, *_: system,
    "tiny-vgg --robust": lambda system, *_: robust(system),
    "tiny-vgg --robust --responses": lambda system, folder, taken: robust(system, str(folder), taken),
}


def one(
    key: dict[str, Any], mobile: Path, folder: Path, taken: tuple[str, ...], work: Path, precision: str
) -> dict[str, Any]:
    """One training: its accuracy on each group of devices; its answers lie in --work."""
    system = of_epochs(VARIANTS[key["name"]](load_system("tiny-vgg"), folder, taken), key["epochs"])
    devices = ("a",) if key["name"] == ALONE else ()
    prepared = opened(system, mobile, key["seed"], (key["fold"],), devices=devices)
    prepared = own_generators(prepared, work / Path(csv_of(key)).stem)
    network, spent = trained(prepared, work / f"training-{os.getpid()}", precision)
    said = answers(prepared, network, prepared.split.test)
    said.write_csv(work / csv_of(key))
    right, devices = said.probabilities.argmax(1) == said.target, np.asarray(said.devices)
    accuracy = {group: round(100 * right[np.isin(devices, of)].mean(), 4) for group, of in GROUPS.items()}
    return {"cpu_seconds": round(spent), "precision": precision, "accuracy": accuracy}


def csv_of(key: dict[str, Any]) -> str:
    """The file of a training's answers."""
    short = "".join(c if c.isalnum() else "-" for c in key["name"])
    return f"{short}-fold{key['fold']}-{key['epochs']}epochs-seed{key['seed']}.csv"


def table(rows: list[dict[str, Any]], epochs: int, seed: int) -> str:
    """Accuracy by group of devices: every variant on the folds that all have, then those that have more."""
    done = [row for row in rows if (row["epochs"], row["seed"]) == (epochs, seed)]
    folds = {name: {row["fold"] for row in done if row["name"] == name} for name in VARIANTS}
    folds = {name: own for name, own in folds.items() if own}
    shared = set.intersection(*folds.values())
    lines = rows_of(list(folds), shared, done)
    for more in sorted({frozenset(own) for own in folds.values() if own > shared}, key=len):
        lines += ["", *rows_of([name for name, own in folds.items() if own >= more], set(more), done)]
    lines += [
        "",
        "ESC-10-mobile: each test clip on all devices, training mostly on device a, some on b, c, s1-s3; s4-s6 are in "
        "no training clip, s7-s10 (every tenth response of the pool, in file order) in none of the nine devices. "
        "Devices are simulated: measured responses of microphones (MicIRP, Xaudia) and a compressor; none that a "
        "device has is used in training. Rows but those called tiny-vgg are the first recipe with one thing "
        "more: gain, mixup and masks, in a network of 85,402 parameters. Fold by fold as ESC-10 has them, "
        f"float32 network, {epochs} epochs, seed {seed}. A fold has 80 clips a device: differences of two points on "
        "one fold are noise. CPU minutes are of several machines. ESC-10 holds sound events, not scenes. Written by "
        "`benchmarks/esc10_devices.py`.",
    ]
    return "\n".join(lines) + "\n"


def rows_of(names: list[str], folds: set[int], done: list[dict[str, Any]]) -> list[str]:
    """A table of these variants on these folds; each has as many clips of a device."""
    which = f"fold {min(folds)}" if len(folds) == 1 else f"folds {', '.join(map(str, sorted(folds)))}"
    lines = [
        f"| `tiny-vgg` with, {which} | {' | '.join(GROUPS)} | a less s4-s6 | a less s7-s10 | CPU min |",
        "|---|" + "---|" * (len(GROUPS) + 3),
    ]
    for name in names:
        own = [row for row in done if row["name"] == name and row["fold"] in folds]
        accuracy = {group: np.mean([row["accuracy"][group] for row in own]) for group in GROUPS}
        cells = [f"{value:.2f} %" for value in accuracy.values()]
        gaps = [f"{accuracy['a'] - accuracy[group]:.2f}" for group in ("s4-s6", "s7-s10")]
        minutes = np.mean([row["cpu_seconds"] for row in own]) / 60
        lines.append(f"| {name} | {' | '.join((*cells, *gaps))} | {minutes:.1f} |")
    return lines


if __name__ == "__main__":
    run_main(main)
