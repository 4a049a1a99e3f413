"""DSMN-1 on ESC-10, fold 1: float, int8 simulated, int8 exported. Writes benchmarks/esc10_fold1.md.

Runs the same commands as a user would: train, compress, export, evaluate. Finished stages are kept, a killed one
is resumed. About half an hour on two cores.

    python benchmarks/esc10_fold1.py --data DIR/esc10 [--run runs/esc10-f1] [--seed 1]

Without --data the folder esc10 in TINYSCENE_DATA is taken.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
FILES = ("dsmn-1-int8-features.onnx", "dsmn-1-int8-waveform.onnx")


def main() -> None:
    """Train what is not trained yet, evaluate, write the figures."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--data", type=Path, default=None)
    options.add_argument("--run", type=Path, default=Path("runs/esc10-f1"))
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    data = chosen.data or (Path(os.environ["TINYSCENE_DATA"]) / "esc10" if "TINYSCENE_DATA" in os.environ else None)
    if data is None:
        sys.exit(
            "esc10_fold1: ESC-10 is needed: give --data DIR, or set TINYSCENE_DATA to the folder that holds esc10."
        )
    run = chosen.run
    command("train", "dsmn-1", "--data", data, "--fold", 1, "--out", run, "--seed", chosen.seed, "--resume")
    command("compress", run, "--resume")
    for form, file in zip(("features", "waveform"), FILES, strict=True):
        if not (run / file).is_file():
            command("export", run, "--form", form)
    command("evaluate", run)
    (HERE / "esc10_fold1.md").write_text(table(run, chosen.seed))
    print((HERE / "esc10_fold1.md").read_text())


def command(*words: object) -> None:
    """Run one tinyscene command in this process; its errors end the script."""
    from tinyscene.cli import main as tinyscene

    sys.argv = ["tinyscene", *map(str, words)]
    try:
        tinyscene()
    except SystemExit as stop:
        if stop.code:
            raise


def table(run: Path, seed: int) -> str:
    """The figures as Markdown."""
    result = json.loads((run / "evaluation.json").read_text())
    record = json.loads((run / "run.json").read_text())
    lines = [
        "| DSMN-1 on ESC-10, fold 1 (80 test clips) | accuracy | 95 % by recording | log loss | stored |",
        "|---|---|---|---|---|",
    ]
    shown = {
        "float32": (result["stages"]["fit"], f"{result['complexity']['fit']['bytes']:,} B weights"),
        "int8, simulated": (result["stages"]["int8"], f"{result['complexity']['int8']['bytes']:,} B weights"),
        **{
            f"int8, exported, {file.rpartition('-')[2].removesuffix('.onnx')} in": (
                result["exported"][file],
                f"{(run / file).stat().st_size:,} B file",
            )
            for file in FILES
        },
    }
    for name, (figures, stored) in shown.items():
        low, high = figures["confidence_interval"]["accuracy"]
        lines.append(
            f"| {name} | {100 * figures['accuracy']:.2f} % | {100 * low:.1f}-{100 * high:.1f} "
            f"| {figures['log_loss']:.3f} | {stored} |"
        )
    same, difference = fidelity(run)
    minutes = {stage: round(sum(row["seconds"] for row in journal(run, stage)) / 60, 1) for stage in ("fit", "int8")}
    lines += [
        "",
        f"One seed ({seed}), the recipe of the system file unchanged; weights chosen on held-out training recordings, "
        "never on test clips. ESC-10 holds sound events, not scenes. "
        f"On all 400 clips the exported features file decides as the simulated network on {same}, mean absolute "
        f"difference of a probability {difference:.5f}. Training {minutes['fit']} min, int8 {minutes['int8']} min on "
        f"{record['machine']}, one thread; torch {record['versions']['torch']}. "
        f"{errors(run)} Written by `benchmarks/esc10_fold1.py`.",
    ]
    return "\n".join(lines) + "\n"


def errors(run: Path) -> str:
    """Which recordings the float network's errors are of."""
    with (run / "fit" / "predictions.csv").open(newline="") as file:
        wrong = [row for row in csv.DictReader(file) if row["label"] != row["predicted"]]
    often = [(name, n) for name, n in Counter(row["recording"] for row in wrong).most_common() if n > 1]
    told = ", ".join(f"{n} of recording {name}" for name, n in often) or "all of different recordings"
    return f"Of the float network's {len(wrong)} errors: {told}."


def journal(run: Path, stage: str) -> list[dict[str, float]]:
    """The epochs of a stage."""
    from tinyscene.train import read_journal

    return read_journal(run / stage / "journal.jsonl")


def fidelity(run: Path) -> tuple[int, float]:
    """(clips with the same class, mean absolute probability difference) of file against simulation, all clips."""
    from tinyscene.cli.run_verbs import opened
    from tinyscene.pipeline import finished_stages
    from tinyscene.pipeline.stages import restore
    from tinyscene.runtime import Classifier
    from tinyscene.train import predict

    prepared, _ = opened(run)
    stage = next(stage for stage in finished_stages(prepared, run) if stage.precision == "int8")
    rows = np.arange(len(prepared.dataset))
    store = prepared.store(rows, "windows")
    network = restore(prepared, run, stage)
    simulated = predict(network, prepared.front_end.finish, prepared.decide, store, rows)
    classifier = Classifier(run / FILES[0])
    exported = np.zeros_like(simulated)
    for i, path in enumerate(prepared.dataset.paths()):
        (decision,) = classifier.classify(path, top_k=len(classifier.labels))
        for entry in decision.top:
            exported[i, classifier.labels.index(entry["label"])] = entry["score"]
    same = int((simulated.argmax(1) == exported.argmax(1)).sum())
    return same, float(np.abs(simulated - exported).mean())


if __name__ == "__main__":
    main()
