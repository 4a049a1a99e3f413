"""Each report's whole recipe, shortened, on synthetic sets of its own edition: that everything runs, to every cell.

    python benchmarks/reproductions.py [REPORT...] [--work DIR]

Writes benchmarks/reproductions.md, a row a report; --work keeps runs and sets, and a second call goes on with them.
What is reached is a figure of synthetic sound and of a few epochs: it is no result of any report. The claim is another:
every stage of every recipe runs, ends better than chance on devices (report 003: locations) it never trained on, and
leaves no cell of the report's tables empty.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tinyscene.cli import main as tinyscene
from tinyscene.data import make_synthetic_set
from tinyscene.evaluate.report_tables import fill
from tinyscene.systems import reproductions
from tinyscene.train import read_journal

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Proof:
    """What a report's recipe is shortened to: its edition of the data, clips a scene, share of the epochs, batch."""

    edition: str
    train: int
    test: int
    epochs_scale: float
    batch_size: int


PROOFS = {
    "wang2023": Proof("2022", 20, 9, 0.3, 8),
    "shao2022": Proof("2022", 16, 9, 0.048, 8),  # 15 epochs: restarts of 1 + 2 + 4 + 8
    "xin2022": Proof("2022", 20, 9, 0.08, 8),
    "pham2020": Proof("2020-3class", 12, 5, 0.3, 8),
    "heo2021": Proof("2020", 7, 9, 0.03, 8),
}


def main() -> None:
    """Run the reports that are asked for, then write the table of all that have ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("reports", nargs="*", metavar="REPORT", help=f"of {', '.join(PROOFS)}; default: all")
    parser.add_argument("--work", type=Path, default=Path("build/reproductions"))
    options = parser.parse_args()
    for report in options.reports or PROOFS:
        _prove(report, options.work)
    (HERE / "reproductions.md").write_text(_page(options.work))


def _prove(report: str, work: Path) -> None:
    proof, folder = PROOFS[report], work / report
    done = folder / "proof.json"
    if done.is_file():
        return
    data = work / f"synthetic-{proof.edition}-{proof.train}-{proof.test}"
    make_synthetic_set(data, 1, proof.train, proof.test, workers=os.cpu_count() or 1, edition=proof.edition)
    words = ["reproduce", report, "--data", data, "--out", folder, "--epochs-scale", proof.epochs_scale]
    words += ["--batch-size", proof.batch_size]
    sys.argv = ["tinyscene", *map(str, words)]
    try:
        tinyscene()
    except SystemExit as stop:  # a command line ends so, also when all is well
        if stop.code:
            raise
    journals = [row for path in folder.glob("*/*/journal.jsonl") for row in read_journal(path)]
    runs = [json.loads(path.read_text()) for path in sorted(folder.glob("*/evaluation.json"))]
    filled = fill(reproductions()[report], {Path(run["run"]).name: run for run in runs})
    cells = [
        (table, row, cell) for table in filled.tables if table.kind != "own" for row, of in table.rows for cell in of
    ]
    reached = [cell for _, _, cell in cells if cell.values]
    missing = [f"{table.source}, {row}: {cell.missing}" for table, row, cell in cells if cell.missing]
    done.write_text(
        json.dumps(
            {
                **asdict(proof),
                "seconds": sum(row["seconds"] for row in journals),
                "runs": len(runs),
                "cells": len(reached) + len(missing),
                "empty": missing,
                "chance": 1 / len(runs[0]["data"]["classes"]),
                "stages": {
                    f"{Path(run['run']).name}, {name}": _unseen(figures)
                    for run in runs
                    for name, figures in run["stages"].items()
                },
            },
            indent=1,
        )
    )


def _unseen(figures: dict) -> float:
    """Accuracy on devices that never trained, or, where there are none, on all test clips."""
    groups = figures.get("per_device_group") or {}
    return (groups.get("unseen") or figures)["accuracy"]


def _page(work: Path) -> str:
    lines = [
        "Synthetic sound in the layout, names and devices of each report's data set, one seed, CPU, epochs shortened: "
        "the figures show that each recipe runs to every cell of its tables. They are no result of the reports.",
        "",
        "| report | set | clips a scene, train and test | epochs x | runs | stages | chance | on unseen devices "
        "| empty cells | minutes of training |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for report in PROOFS:
        path = work / report / "proof.json"
        if not path.is_file():
            lines.append(f"| {report} | not run | | | | | | | | |")
            continue
        done = json.loads(path.read_text())
        reached = sorted(done["stages"].values())
        below = [name for name, accuracy in done["stages"].items() if accuracy <= done["chance"]]
        lines.append(
            f"| {report} | {done['edition']} | {done['train']}, {done['test']} | {done['epochs_scale']:g} | "
            f"{done['runs']} | {len(reached)} | {done['chance']:.0%} | {reached[0]:.0%} to {reached[-1]:.0%}"
            + (f"; not above chance: {', '.join(below)}" if below else "")
            + f" | {len(done['empty'])} of {done['cells']} | {done['seconds'] / 60:.0f} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
