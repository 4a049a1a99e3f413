"""The model file that comes with tinyscene: trained on all of ESC-10, unknown below what held-out clips say.

    python benchmarks/ship_model.py --data DIR [--folds runs/esc10] [--work runs/shipped]

DIR (TINYSCENE_DATA without) holds esc10. Needs what benchmarks/esc10.py has left in --folds: temperature, least
confidence and the figures on the card are those of its held-out clips. Writes the model file into the package and
benchmarks/shipped.md, which says how many foreign sounds it refuses: classes of ESC-10 that a network never heard (five
trainings, two classes left out of each), synthetic scenes, noise and tones.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from esc10 import FOLDS, check_runs, command, joined, of_form, run_of
from esc10_training import answers, opened, trained
from real_data import add_data, data_folder, run_main

from tinyscene import Classifier, load_system
from tinyscene.cli.run_verbs import opened as opened_run
from tinyscene.data.synthetic import make_synthetic_set
from tinyscene.evaluate import Predictions
from tinyscene.evaluate.temperature import at_temperature, fit_temperature
from tinyscene.export import write_model
from tinyscene.files import make_folder, write_whole
from tinyscene.pipeline.exporting import export_of, proof_windows
from tinyscene.runtime.shipped import SHIPPED
from tinyscene.train.machine import PRECISIONS

HERE = Path(__file__).parent
SYSTEM = "tiny-vgg-whole"
KEPT = 0.95  # of the held-out clips whose class it knows keep their answer


def main() -> None:
    """Fit the two numbers, train, export, ask about foreign sounds, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add_data(options, "esc10")
    options.add_argument("--folds", type=Path, default=Path("runs/esc10"), help="--work of benchmarks/esc10.py")
    options.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="those of benchmarks/esc10.py")
    options.add_argument("--work", type=Path, default=Path("runs/shipped"))
    options.add_argument("--precision", default="auto", choices=PRECISIONS)
    chosen = options.parse_args()
    data = data_folder(chosen.data, "esc10") / "esc10"
    check_runs(chosen.folds, chosen.seeds)
    held_out = [
        joined([Predictions.read_csv(run_of(chosen.folds, seed, fold) / "int8" / "predictions.csv") for fold in FOLDS])
        for seed in chosen.seeds
    ]
    make_folder(chosen.work, "Choose another --work.")
    every = joined(held_out)
    t = fit_temperature(every.probabilities, every.target)
    sure = at_temperature(every.probabilities, t).max(1)
    limit = float(np.round(np.quantile(sure, 1 - KEPT), 3))
    options = ("--precision", chosen.precision) if chosen.precision != "auto" else ()
    run = chosen.work / "run"
    command("train", SYSTEM, "--data", data, "--fold", 1, "--seed", 1, "--out", run, "--resume", *options)
    command("compress", run, "--resume")
    shipped = exported(run, chosen.folds, chosen.seeds, len(held_out[0]), t, limit)
    rows = [*foreign_classes(data, chosen.work, t, limit, chosen.precision), *made_up(limit)]
    text = page(rows, every, t, limit, shipped)
    write_whole(HERE / "shipped.md", text)
    print(text)


def exported(run: Path, folds: Path, seeds: list[int], n: int, t: float, limit: float) -> Path:
    """Write the package's file; its card claims the held-out figures, means over the seeds."""
    prepared, _ = opened_run(run)
    figures = of_form(folds, seeds, "int8/predictions.csv")["calibrated"]  # each fold at a temperature of the others
    claims = {
        "data": "ESC-10",
        "split": f"five folds, mean of {len(seeds)} seeds; this file is of one more training, on all clips",
        "n": n,
        **{key: float(np.mean([one[key] for one in figures])) for key in ("accuracy", "log_loss")},
    }
    export = replace(
        export_of(prepared, run, "int8"), name="tiny-vgg on ESC-10", claims=claims, temperature=t, unknown_below=limit
    )
    return write_model(export, "waveform", SHIPPED, proof_windows(prepared))


def foreign_classes(data: Path, work: Path, t: float, limit: float, precision: str) -> list[tuple[str, int, float]]:
    """(what, clips, share that is unknown) of networks that never heard two of the classes."""
    known, foreign = [], []
    for fold in FOLDS:
        classes = (2 * fold - 2, 2 * fold - 1)
        prepared = opened(load_system("tiny-vgg"), data, 1, (fold,), classes)
        test, file = prepared.split.test, work / f"without-classes-of-fold{fold}.npy"
        left_out = np.isin(prepared.dataset.target[test], classes)
        if not file.is_file():
            network, _ = trained(prepared, work / "training", "32-true" if precision == "auto" else precision)
            np.save(file, answers(prepared, network, test).probabilities)
        sure = at_temperature(np.load(file), t).max(1)
        foreign.append(sure[left_out])
        known.append(sure[~left_out])
    return [
        (name, len(values), float((values < limit).mean()))
        for name, values in (
            ("held-out clips of the classes it knows (8 of ten)", np.concatenate(known)),
            ("clips of classes of ESC-10 it never heard (2 of ten)", np.concatenate(foreign)),
        )
    ]


def made_up(limit: float) -> list[tuple[str, int, float]]:
    """(what, clips, share that is unknown) of synthetic sounds, said by the file itself."""
    classifier, rng, rate = Classifier(SHIPPED), np.random.default_rng(0), 44_100
    time_s = np.arange(5 * rate) / rate

    def coloured(power: float) -> np.ndarray:
        spectrum = np.fft.rfft(rng.standard_normal(5 * rate))
        spectrum[1:] /= np.arange(1, len(spectrum)) ** power
        wave = np.fft.irfft(spectrum, 5 * rate)
        return 10 ** rng.uniform(-2, -0.5) * wave / np.abs(wave).max()

    sounds = {
        "white, pink and brown noise": [coloured(power) for power in (0, 0.5, 1) for _ in range(20)],
        "steady tones, 100 Hz to 8 kHz": [0.1 * np.sin(2 * np.pi * f * time_s) for f in np.geomspace(100, 8_000, 30)],
    }
    rows = [
        (f"{name} (synthetic)", len(clips), unknown(classifier, [(c, rate) for c in clips]))
        for name, clips in sounds.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        scenes = make_synthetic_set(Path(folder) / "scenes", clips_per_class_train=1, clips_per_class_test=9)
        files = sorted((scenes / "audio").glob("*.wav"))
        rows.append(("synthetic scenes of tinyscene", len(files), unknown(classifier, files)))
    return rows


def unknown(classifier: Classifier, clips: list) -> float:
    """The share of clips that it calls unknown."""
    return float(np.mean([classifier.classify(clip)[0].label == "unknown" for clip in clips]))


def page(rows: list[tuple[str, int, float]], every: Predictions, t: float, limit: float, shipped: Path) -> str:
    """The figures as Markdown."""
    sure = at_temperature(every.probabilities, t)
    right = sure.argmax(1) == every.target
    kept = sure.max(1) >= limit
    lines = ["| sounds | clips | called unknown |", "|---|---|---|"]
    lines += [f"| {name} | {n} | {100 * share:.0f} % |" for name, n, share in rows]
    lines += [
        "",
        f"The file has {shipped.stat().st_size:,} bytes. Unknown is what is less sure than {limit:.3f} at temperature "
        f"{t:.3f}: {100 * KEPT:.0f} % of held-out clips of the five folds are surer (int8, all seeds). Of those, "
        f"{100 * right[kept].mean():.1f} % are right; of the others {100 * right[~kept].mean():.1f} %. The first two "
        "rows are of five networks of the same recipe (float32), each trained without one fold and without two "
        "classes; the others are the file's own. Written by `benchmarks/ship_model.py`.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_main(main)
