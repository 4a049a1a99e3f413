"""A system on the five folds of ESC-10, float and int8: writes benchmarks/esc10.md and .json.

    python benchmarks/esc10.py --data DIR [--system tiny-vgg] [--seeds 1 2 3] [--folds 1 2 3 4 5]
                               [--precision bf16-mixed]

DIR (TINYSCENE_DATA without) holds esc10. Runs the commands of a user: train, export, evaluate, one thread. Finished
trainings are kept, a killed one is resumed. About half an hour for tiny-vgg on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from real_data import add_data, data_folder, run_main

from tinyscene import load_system
from tinyscene.errors import DataError
from tinyscene.evaluate import Predictions, measure
from tinyscene.evaluate.temperature import at_temperature, fit_temperature
from tinyscene.files import make_folder, write_whole
from tinyscene.train import read_journal
from tinyscene.train.machine import PRECISIONS

HERE = Path(__file__).parent
FOLDS = (1, 2, 3, 4, 5)
CHOSEN_ON = 1  # the probe, whose recipe we began with, tried things on this fold


def main() -> None:
    """Train what is not trained yet, then write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add_data(options, "esc10")
    options.add_argument("--system", default="tiny-vgg")
    options.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    options.add_argument("--folds", nargs="+", type=int, choices=FOLDS, default=FOLDS, help="trained now")
    options.add_argument("--precision", default="auto", choices=PRECISIONS, help="of the training")
    options.add_argument("--work", type=Path, default=Path("runs/esc10"), help="what is done, kept")
    options.add_argument("--out", type=Path, default=HERE, help="folder of the two files")
    chosen = options.parse_args()
    data = data_folder(chosen.data, "esc10") / "esc10"
    load_system(chosen.system)  # an unknown one leaves nothing behind
    make_folder(chosen.work, "Choose another --work.")
    for seed in chosen.seeds:
        for fold in chosen.folds:
            if not (run_of(chosen.work, seed, fold) / "evaluation.json").is_file():
                trained(run_of(chosen.work, seed, fold), chosen.system, data, seed, fold, chosen.precision)
    whole = [seed for seed in chosen.seeds if not unfinished(chosen.work, [seed])]
    if not whole:
        print("no seed has all five folds yet: no table is written")
        return
    facts = figures(chosen.work, whole, chosen.system, chosen.precision)
    write_whole(chosen.out / "esc10.json", json.dumps(facts, indent=1) + "\n")
    write_whole(chosen.out / "esc10.md", page(facts))
    print((chosen.out / "esc10.md").read_text())


def run_of(work: Path, seed: int, fold: int) -> Path:
    """The run of one seed and fold."""
    return work / f"seed{seed}-fold{fold}"


def unfinished(work: Path, seeds: list[int]) -> list[Path]:
    """The runs of these seeds, all folds, that are not there or not evaluated."""
    runs = [run_of(work, seed, fold) for seed in seeds for fold in FOLDS]
    return [run for run in runs if not (run / "evaluation.json").is_file()]


def check_runs(work: Path, seeds: list[int]) -> None:
    """For scripts that ask these runs, --work as their --folds: DataError unless all are there."""
    if missing := unfinished(work, seeds):
        raise DataError(
            f"no finished run in {missing[0]} ({len(missing)} of {len(seeds) * len(FOLDS)} are missing). Run "
            f"benchmarks/esc10.py --work {work} --seeds {' '.join(map(str, seeds))} first, or give --folds its --work."
        )


def trained(run: Path, system: str, data: Path, seed: int, fold: int, precision: str) -> None:
    """Train every stage, export the int8 files, evaluate all of it; `evaluation.json` comes last."""
    options = ("--precision", precision) if precision != "auto" else ()
    command("train", system, "--data", data, "--fold", fold, "--seed", seed, "--out", run, "--resume", *options)
    command("compress", run, "--resume")
    for form in ("features", "waveform"):
        command("export", run, "--form", form)
    command("evaluate", run)


def command(*words: object) -> None:
    """Run one tinyscene command in a process of its own: training keeps the memory it once had."""
    done = subprocess.run([sys.executable, "-m", "tinyscene", *map(str, words)], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def figures(work: Path, seeds: list[int], system: str, precision: str) -> dict[str, Any]:
    """What the tables show, of all seeds that have five folds."""
    first = run_of(work, seeds[0], FOLDS[0])
    result = json.loads((first / "evaluation.json").read_text())
    stages = list(result["stages"])
    forms = {"float32": f"{stages[0]}/predictions.csv", "int8": f"{stages[-1]}/predictions.csv"}
    (waveform,) = first.glob("*-waveform.onnx")
    exported = {}
    for seed in seeds:
        for fold in FOLDS:
            run = run_of(work, seed, fold)
            own = json.loads((run / "evaluation.json").read_text())
            exported[f"{seed}-{fold}"] = {
                "file": own["exported"][waveform.name]["accuracy"],
                "simulated": own["stages"][stages[-1]]["accuracy"],
            }
    return {
        "system": system,
        "seeds": seeds,
        "forms": {name: of_form(work, seeds, path) for name, path in forms.items()},
        "exported": exported,
        "complexity": result["complexity"][stages[-1]],
        "file_bytes": waveform.stat().st_size,
        "minutes": {
            stage: [
                sum(row["seconds"] for row in read_journal(run_of(work, seed, fold) / stage / "journal.jsonl")) / 60
                for seed in seeds
                for fold in FOLDS
            ]
            for stage in stages
        },
        "machine": machine(json.loads((first / "run.json").read_text())),
        "precision": precision,
    }


def of_form(work: Path, seeds: list[int], path: str) -> dict[str, Any]:
    """Accuracy by seed and fold, and the figures of each seed over all 400 clips, at temperature 1 and fitted."""
    folds, pooled, calibrated, right, recordings = [], [], [], [], np.empty(0)
    for seed in seeds:
        said = [Predictions.read_csv(run_of(work, seed, fold) / path) for fold in FOLDS]
        folds.append([float((one.probabilities.argmax(1) == one.target).mean()) for one in said])
        pooled.append(short(joined(said)))
        # The temperature of a fold is fitted on what was said of the four others: its own labels are not looked at.
        cooled = []
        for i, one in enumerate(said):
            others = joined([other for j, other in enumerate(said) if j != i])
            t = fit_temperature(others.probabilities, others.target)
            cooled.append(
                Predictions(
                    one.classes,
                    at_temperature(one.probabilities, t),
                    one.target,
                    files=one.files,
                    recordings=one.recordings,
                )
            )
        calibrated.append(short(joined(cooled)))
        every = joined(said)
        right.append(every.probabilities.argmax(1) == every.target)
        recordings = np.asarray(every.recordings)  # the same of every seed
    low, high = interval(np.mean(right, 0), recordings)
    return {"folds": folds, "seeds": pooled, "calibrated": calibrated, "interval": [low, high]}


def joined(said: list[Predictions]) -> Predictions:
    """The predictions of several folds as one."""
    return Predictions(
        said[0].classes,
        np.concatenate([one.probabilities for one in said]),
        np.concatenate([one.target for one in said]),
        files=[file for one in said for file in one.files],
        recordings=[recording for one in said for recording in one.recordings],
    )


def short(said: Predictions) -> dict[str, float]:
    """The figures that the tables have."""
    found = measure(said)
    return {key: found[key] for key in ("accuracy", "log_loss", "calibration_error")}


def interval(right: np.ndarray, recordings: np.ndarray, draws: int = 10_000) -> tuple[float, float]:
    """95 % of the mean of `right` (clip,) when the recordings that clips are cut from are drawn anew."""
    _, which = np.unique(recordings, return_inverse=True)
    n = which.max() + 1
    sums, sizes = np.bincount(which, right, n), np.bincount(which, minlength=n)
    rng = np.random.default_rng(0)
    drawn = rng.integers(n, size=(draws, n))
    low, high = np.quantile(sums[drawn].sum(1) / sizes[drawn].sum(1), (0.025, 0.975))
    return float(low), float(high)


def machine(record: dict[str, Any]) -> str:
    """What it ran on."""
    try:
        cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        cpu = None
    name = cpu.group(1) if cpu else platform.processor()
    return f"{name}, {record['machine']}, one thread, torch {record['versions']['torch']}"


def page(facts: dict[str, Any]) -> str:
    """The figures as Markdown."""
    system, seeds, counts = facts["system"], facts["seeds"], facts["complexity"]
    lines = [
        f"| `{system}` on ESC-10 | accuracy | sd of seeds | 95 % by recording | folds 2-5 | log loss | calibration "
        "error | log loss, calibrated |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, form in facts["forms"].items():
        accuracy = np.array([one["accuracy"] for one in form["seeds"]])
        apart = np.mean([[acc for i, acc in enumerate(row) if FOLDS[i] != CHOSEN_ON] for row in form["folds"]])
        low, high = form["interval"]
        loss, error = (np.mean([one[key] for one in form["seeds"]]) for key in ("log_loss", "calibration_error"))
        cooled = np.mean([one["log_loss"] for one in form["calibrated"]])
        spread = f"{100 * accuracy.std(ddof=1):.2f}" if len(seeds) > 1 else ""
        lines.append(
            f"| {name} | {100 * accuracy.mean():.2f} % | {spread} | {100 * low:.1f}-{100 * high:.1f} | "
            f"{100 * apart:.2f} % | {loss:.3f} | {error:.3f} | {cooled:.3f} |"
        )
    lines += ["", "| fold | " + " | ".join(map(str, FOLDS)) + " |", "|---|" + "---|" * len(FOLDS)]
    for name, form in facts["forms"].items():
        each = np.mean(form["folds"], 0)
        lines.append(f"| {name} | " + " | ".join(f"{100 * acc:.2f} %" for acc in each) + " |")
    off = [abs(one["file"] - one["simulated"]) for one in facts["exported"].values()]
    minutes = {stage: np.mean(times) for stage, times in facts["minutes"].items()}
    hours = sum(map(sum, facts["minutes"].values())) / 60
    lines += [
        "",
        f"Five official folds, none of a recording in two of them; seeds {', '.join(map(str, seeds))}; means over the "
        "seeds. From scratch, on the four other folds alone; the last epoch's weights. One recipe for all folds: the "
        "best of those in `esc10_choice.py` that need no recordings but ESC-10, by networks that had not heard the "
        "clips they were asked about; what choosing it without any of a fold gives on that fold stands there. "
        "Candidates were added when the figures of earlier choices were known (mixup, masks, 100 epochs: int8 90.67 %; "
        "random curves: 91.83 %), and that quiet windows are left out when those without were (`esc10_windows.py`); "
        f"front end and network begin from trials on other code, which looked at fold {CHOSEN_ON}. "
        "Intervals: recordings drawn anew. Calibrated: with a temperature fitted on the other folds' answers. int8 is "
        f"the simulated network; the exported file, from the audio on, differs in accuracy by at most "
        f"{100 * max(off):.2f} points in any fold. {counts['parameters']:,} parameters, {counts['bytes']:,} bytes of "
        f"int8 weights and int32 biases, {counts['macs_per_s'] / 1e6:.2f} million MACs a second of audio, windows "
        f"counted; the waveform-in file has {facts['file_bytes']:,} bytes. Minutes a training: "
        f"{', '.join(f'{stage} {value:.1f}' for stage, value in minutes.items())}; {hours:.1f} hours in all "
        f"(--precision {facts['precision']}, the int8 stage in 32 bits), beside other work, on {facts['machine']}. "
        "ESC-10 holds sound events, not scenes. Written by `benchmarks/esc10.py`.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_main(main)
