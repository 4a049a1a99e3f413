"""Every network, trained for equal CPU minutes on ESC-10: writes benchmarks/esc10_networks.md and .json.

    python benchmarks/esc10_networks.py --data DIR [--minutes 4] [--only dsmn-1] [--folds 1] [--seed 1]

DIR (TINYSCENE_DATA without) holds esc10. Each is trained on fold 1, those of FIVE on all folds, with front end,
augmentations and numbers of its own system; only what counts epochs is shortened, until the first stage takes the
minutes: CPU time of the one process, one thread. Features are cached before, evaluation comes after, neither counts.
What is done is kept in --work, a line each, and not done again. Two and a half hours on one core.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import platform
import re
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import torch
from real_data import add_data, data_folder, run_main

from tinyscene import load_system
from tinyscene.data import training_loader
from tinyscene.errors import TinysceneError
from tinyscene.evaluate import Predictions, count_complexity, measure
from tinyscene.files import make_folder, write_whole
from tinyscene.pipeline import RunRecord, circumstances, prepare
from tinyscene.pipeline.scaling import scaled_epochs
from tinyscene.train import CosineRestarts, Machine, loop, predict, read_journal
from tinyscene.train.test_time import predict_augmented

if TYPE_CHECKING:
    from tinyscene.pipeline import Prepared
    from tinyscene.system import System

HERE = Path(__file__).parent
ALONE = {"recipe.distil.weight": "0"}  # a student without its teacher
REAL = {"augment.features.pix2pix.p": "0"}  # ESC-10 has no devices to translate to
PLAIN = ("dsmn-1", "dsmn-2", "dsmn-3", "dsmn-4", "amfm", "resnet-se", "pham-cnn", "cnn6-ca", "cnn6-ca-30m")
BASELINES = ("dcase2022-baseline", "cp-mobile")
SYSTEMS = {
    "mini-segnet": REAL,
    **{f"mini-segnet-student-{i}": REAL | ALONE for i in (1, 2, 3)},
    **{name: {} for name in PLAIN + BASELINES},
}
FIVE = ("dsmn-1", "pham-cnn")  # on all folds
FOLDS = (1, 2, 3, 4, 5)
LEAST = 10  # whole epochs; below, an epoch is one crop of each clip, so that a schedule has epochs to fall in
LOG = "done.jsonl"


def main() -> None:
    """Train what is not trained yet, then write the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add_data(options, "esc10")
    options.add_argument("--work", type=Path, default=Path("runs/esc10-networks"), help="what is done, kept")
    options.add_argument("--out", type=Path, default=HERE, help="folder of the two files")
    options.add_argument("--minutes", type=float, default=4.0)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="NAME")
    options.add_argument("--folds", nargs="+", type=int, choices=FOLDS, default=None)
    chosen = options.parse_args()
    data = data_folder(chosen.data, "esc10") / "esc10"
    make_folder(chosen.work, "Choose another --work.")
    for name in chosen.only:
        for fold in chosen.folds or (FOLDS if name in FIVE else (1,)):
            key = {"system": name, "fold": fold, "seed": chosen.seed, "minutes": chosen.minutes}
            if any(row.items() >= key.items() for row in done(chosen.work)):
                continue
            # In a process of its own: training keeps the memory it once had (train/machine.py).
            with ProcessPoolExecutor(1, get_context("spawn")) as own:
                row = key | own.submit(trained, key, data, chosen.work).result()
            with (chosen.work / LOG).open("a") as file:
                file.write(json.dumps(row) + "\n")
            print({key: value for key, value in row.items() if key not in ("machine", "figures", "looks")}, flush=True)
    rows = [row for row in done(chosen.work) if (row["seed"], row["minutes"]) == (chosen.seed, chosen.minutes)]
    rows.sort(key=lambda row: (list(SYSTEMS).index(row["system"]), row["fold"]))
    pooled = {name: together(name, rows, chosen.work) for name in FIVE}
    facts = {"rows": rows, "pooled": {name: figures for name, figures in pooled.items() if figures}}
    write_whole(chosen.out / "esc10_networks.json", json.dumps(facts, indent=1) + "\n")
    write_whole(chosen.out / "esc10_networks.md", page(rows, facts["pooled"]))
    print((chosen.out / "esc10_networks.md").read_text())


def done(work: Path) -> list[dict[str, Any]]:
    """What the log holds."""
    return read_journal(work / LOG)


def trained(key: Mapping[str, Any], data: Path, work: Path) -> dict[str, Any]:
    """One network on one fold: what was spent, what it says of the test clips."""
    torch.set_num_threads(1)
    # Augmented waveforms are made in this process: what another spends would not be in its CPU time.
    loop.training_loader = partial(training_loader, workers=0)
    name, seed, folder = key["system"], key["seed"], work / key_of(key)
    system = load_system(name).with_settings(SYSTEMS[name])
    system = system.but(recipe=system.recipe[:1])
    record = RunRecord(name, str(data), seed, str(key["fold"]))
    prepared = prepare(system, record, lambda _: nullcontext(lambda done, total: None)).with_learned()
    try:
        network, spent = fitted(prepared, folder, 60 * key["minutes"])
    except TinysceneError as error:  # it diverged: told in the table
        return {"machine": machine(), "failed": str(error)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    store = prepared.store(prepared.split.test, "windows")
    rows, finish, looks = np.arange(len(store)), prepared.front_end.finish, system.inference
    said = predictions(prepared, predict(network, finish, prepared.decide, store, rows))
    said.write_csv(work / f"{key_of(key)}.csv")
    counts = count_complexity(network, prepared.example()[:1], system.task.window_s)
    result = spent | {
        "window_s": system.task.window_s,
        "parameters": counts["parameters"],
        "macs": counts["macs"],
        "machine": machine(),
        "figures": short(said),
    }
    if looks.augment:
        parts = [spec.build() for spec in looks.augment]
        again = predict_augmented(network, finish, prepared.decide, store, rows, parts, looks.repeats, seed)
        result |= {"looks": {"repeats": looks.repeats, **short(predictions(prepared, again))}}
    return result


def fitted(prepared: Prepared, folder: Path, budget_s: float) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Train as many epochs as the budget holds, measured on one before; the network and what it took."""
    own = prepared.system.recipe[0].fields
    job = prepared.job(prepared.system.recipe[0].build(), folder, False, Machine("cpu"), False)
    clips, crops = len(job.crops.rows), len(job.crops)
    _, first_s = train(prepared, folder, 1, short_epochs=True)
    short_epochs = budget_s / (first_s * crops / clips) < LEAST
    _, each_s = train(prepared, folder, 1, short_epochs)  # the first found memory cold
    epochs = affordable(prepared.system, budget_s / each_s)
    network, cpu_s = train(prepared, folder, epochs, short_epochs)
    journal = read_journal(folder / "journal.jsonl")
    validation = [row["validation_accuracy"] for row in journal if "validation_accuracy" in row]
    seen, size = clips if short_epochs else crops, own["batch_size"]
    return network, {
        "cpu_seconds": round(cpu_s, 1),
        "wall_seconds": round(sum(row["seconds"] for row in journal), 1),
        "probe_cpu_seconds": round(first_s + each_s, 1),
        "epochs": epochs,
        "epochs_of_recipe": own["epochs"],
        "whole_epochs": seen == crops,
        "crops_an_epoch": seen,
        "steps": epochs * (seen // size if seen % size == 1 else math.ceil(seen / size)),
        "select": own["select"],
        "best_validation_accuracy": max(validation, default=None),
    }


def train(prepared: Prepared, folder: Path, epochs: int, short_epochs: bool) -> tuple[torch.nn.Module, float]:
    """The first stage over so many epochs: the network and the CPU seconds it took, features in the cache before."""
    prepared = replace(prepared, system=shortened(prepared.system, epochs))
    stage = prepared.system.recipe[0].build()
    job = prepared.job(stage, folder, False, Machine("cpu", "32-true"), False)
    if short_epochs:
        crops = copy.copy(job.crops)
        crops.clips = crops.rows
        job = replace(job, crops=crops)
    network = prepared.network()
    began = time.process_time()
    network = stage.run(network, job, folder)
    return network, time.process_time() - began


def affordable(system: System, epochs: float) -> int:
    """Epochs of the first stage that lie in `epochs`, 1 at least and its own at most; with restarts, so many that the
    last one ends: as many cycles as the recipe has, or fewer where more would leave a tenth of the budget."""
    own = system.recipe[0].fields["epochs"]
    n = min(own, max(1, math.floor(epochs)))
    return next(n // times * times for times in reversed(cycles(system)) if n // times * times >= 0.9 * n)


def shortened(system: System, epochs: int) -> System:
    """The system with its first stage of so many epochs and all else that counts epochs in proportion."""
    stage = system.recipe[0]
    own, schedule = stage.fields["epochs"], stage.fields["schedule"]
    result = scaled_epochs(system, epochs / own)
    stage = result.recipe[0].but(epochs=epochs)
    if schedule.target is CosineRestarts:
        times = next(times for times in reversed(cycles(system)) if epochs % times == 0)
        stage = stage.but(schedule=schedule.but(first_epochs=epochs // times))
    return result.but(recipe=(stage,))


def cycles(system: System) -> list[int]:
    """How many times their first cycle 1, 2, 3 ... restarts take, up to those of the recipe; (1,) without restarts."""
    stage = system.recipe[0]
    schedule, times = stage.fields["schedule"], [1]
    if schedule.target is CosineRestarts:
        first, factor = schedule.fields["first_epochs"], schedule.fields["factor"]
        while first * (times[-1] * factor + 1) <= stage.fields["epochs"]:
            times.append(times[-1] * factor + 1)
    return times


def predictions(prepared: Prepared, probabilities: np.ndarray) -> Predictions:
    """What was said of the test clips, beside what is known of them."""
    clips = prepared.dataset.take(prepared.split.test)
    files, recordings = list(map(str, clips.files)), list(map(str, clips.recording))
    return Predictions(clips.classes, probabilities, clips.target, files=files, recordings=recordings)


def short(said: Predictions) -> dict[str, Any]:
    """The figures that the table has."""
    figures = measure(said)
    return {
        **{key: figures[key] for key in ("n", "accuracy", "log_loss", "calibration_error")},
        "interval": figures["confidence_interval"]["accuracy"],
        "recordings": figures["bootstrap"]["n_units"],
    }


def together(name: str, rows: list[dict[str, Any]], work: Path) -> dict[str, Any] | None:
    """The figures over the clips of all folds, each said by the network that did not train on it."""
    own = [row for row in rows if row["system"] == name and "failed" not in row]
    if len(own) < len(FOLDS):
        return None
    said = [Predictions.read_csv(work / f"{key_of(row)}.csv") for row in own]
    return short(
        Predictions(
            said[0].classes,
            np.concatenate([one.probabilities for one in said]),
            np.concatenate([one.target for one in said]),
            files=[file for one in said for file in one.files],
            recordings=[recording for one in said for recording in one.recordings],
        )
    )


def key_of(row: Mapping[str, Any]) -> str:
    """What a training's files are called."""
    return f"{row['system']}-fold{row['fold']}-seed{row['seed']}-{row['minutes']:g}min"


def machine() -> dict[str, Any]:
    """What it ran on."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        cpu = found[1] if found else cpu
    about = {key: value for key, value in circumstances().items() if key != "command"}  # it names folders
    return {**about, "cpu": cpu, "threads": torch.get_num_threads()}


def page(rows: list[dict[str, Any]], pooled: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        "| ESC-10, fold 1 | parameters | MMACs | window | epochs | steps | CPU s | accuracy | 95 % by recording "
        "| log loss | calibration error |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row["fold"] != 1:
            continue
        if "failed" in row:
            lines.append(f"| `{row['system']}` | {row['failed']} |" + 9 * " |")
            continue
        spent = (
            f"{row['parameters']:,}",
            f"{row['macs'] / 1e6:,.1f}",
            f"{row['window_s']:g} s",
            f"{row['epochs']} of {row['epochs_of_recipe']}{'' if row['whole_epochs'] else ', short'}",
            f"{row['steps']:,}",
            f"{row['cpu_seconds']:.0f}",
        )
        lines.append(f"| `{row['system']}` | {' | '.join(spent)} | {told(row['figures'])} |")
        if "looks" in row:
            lines.append(f"| {row['looks']['repeats']} looks a clip" + 7 * " |" + f" {told(row['looks'])} |")
    several = [row for row in rows if row["system"] in pooled]
    if several:
        lines += [
            "",
            "| ESC-10, all folds | 1 | 2 | 3 | 4 | 5 | CPU s | accuracy | 95 % by recording | log loss | calibration "
            "error |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
        ]
    for name, figures in pooled.items():
        own = [row for row in several if row["system"] == name]
        each = " | ".join(f"{100 * row['figures']['accuracy']:.2f} %" for row in own)
        lines.append(f"| `{name}` | {each} | {sum(row['cpu_seconds'] for row in own):.0f} | {told(figures)} |")
    return "\n".join([*lines, "", prose(rows)]) + "\n"


def told(figures: Mapping[str, Any]) -> str:
    """Accuracy, interval, log loss, calibration error as cells."""
    low, high = figures["interval"]
    return (
        f"{100 * figures['accuracy']:.2f} % | {100 * low:.1f}-{100 * high:.1f} | {figures['log_loss']:.3f} "
        f"| {figures['calibration_error']:.3f}"
    )


def prose(rows: list[dict[str, Any]]) -> str:
    """How the figures came about."""
    machines = {
        f"{m['cpu']}, {m['machine']}, {m['threads']} thread; torch {m['versions']['torch']}, "
        f"tinyscene {m['versions']['tinyscene']}"
        for m in (row["machine"] for row in rows)
    }
    first = next((row["figures"] for row in rows if row["fold"] == 1 and "failed" not in row), {})
    return (
        f"Each network alone, from scratch, {rows[0]['minutes']:g} CPU minutes of training (user and system time of "
        "the process, augmentation and inner validation with it; features from a cache, evaluation after): what the "
        "networks make of little computing, not what they can. ESC-10 holds sound events, not scenes, and no devices. "
        "Front end, augmentations, optimiser and batch of each system, its first stage only; every number that counts "
        "epochs is shortened until the minutes hold them, as one epoch before says; pix2pix is off, students are "
        "without teacher, nothing is compressed. Short: an epoch is one crop of each clip instead of all its audio, "
        f"where fewer than {LEAST} whole ones fit. Weights are chosen as the recipe says, on held-out training "
        "recordings or the last; test clips choose nothing. Decisions are means over the windows of a clip. Seed "
        f"{rows[0]['seed']}, one a network; fold 1 has {first.get('n')} test clips of {first.get('recordings')} "
        f"recordings, and networks whose intervals overlap are not told apart. Run on {'; '.join(sorted(machines))}. "
        "Written by `benchmarks/esc10_networks.py`."
    )


if __name__ == "__main__":
    run_main(main)
