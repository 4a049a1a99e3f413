"""What int8 costs networks that were trained: writes benchmarks/int8_trained.md.

    python benchmarks/int8_trained.py --data DIR [--only dsmn-1 ...] [--stretch 1] [--precision bf16-mixed]

DIR (TINYSCENE_DATA without) holds esc10. Each network is trained on fold 1 for --stretch times the epochs it has in
esc10_networks.json, then made int8 with and without training (int8, ptq), and all three are asked about the test clips:
the commands of a user, one thread. What is done is kept in --work and not done again.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from esc10 import command
from esc10_networks import SYSTEMS
from real_data import add_data, data_folder, run_main

from tinyscene.errors import DataError
from tinyscene.files import make_folder, write_whole
from tinyscene.pipeline import open_run
from tinyscene.pipeline.scaling import scaled_epochs
from tinyscene.systems import load_system
from tinyscene.train import read_journal
from tinyscene.train.machine import PRECISIONS

HERE = Path(__file__).parent
# One of each kind that learns something in minutes on a CPU.
NETWORKS = (
    *("dsmn-1", "resnet-se", "pham-cnn", "cnn6-ca-30m", "mini-segnet-student-3"),
    *("dcase2022-baseline", "cp-mobile"),
)
FOLD = 1
MADE = ("int8", "ptq")


def main() -> None:
    """Train and compress what is not there yet, then write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add_data(options, "esc10")
    options.add_argument("--only", nargs="+", choices=NETWORKS, default=NETWORKS, metavar="NAME")
    options.add_argument("--stretch", type=float, default=1.0)
    options.add_argument("--int8-epochs", type=int, default=5, help="of the training with simulated int8")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--precision", default="auto", choices=PRECISIONS, help="of the training")
    options.add_argument("--work", type=Path, default=Path("runs/int8-trained"), help="what is done, kept")
    options.add_argument("--out", type=Path, default=HERE, help="folder of the table")
    chosen = options.parse_args()
    data = data_folder(chosen.data, "esc10") / "esc10"
    left = [name for name in chosen.only if not (chosen.work / name / "evaluation.json").is_file()]
    shares = {name: share(name) for name in left}
    make_folder(chosen.work, "Choose another --work.")
    for name in left:
        trained(name, chosen.work / name, data, shares[name], chosen)
    text = table(chosen.work)
    write_whole(chosen.out / "int8_trained.md", text)
    print(text)


def trained(name: str, run: Path, data: Path, of_recipe: float, chosen: argparse.Namespace) -> None:
    """Train, make int8 in both ways, evaluate; `evaluation.json` comes last."""
    mixed = ("--precision", chosen.precision) if chosen.precision != "auto" else ()
    settings = [word for key, value in SYSTEMS[name].items() for word in ("--set", f"{key}={value}")]
    scale = ("--epochs-scale", f"{chosen.stretch * of_recipe:.6f}")
    command(
        *("train", name, "--data", data, "--fold", FOLD, "--seed", chosen.seed, "--out", run, "--resume"),
        *(*scale, *settings, *mixed),
    )
    command("compress", run, "--to", ",".join(MADE), "--epochs", chosen.int8_epochs, "--resume")
    command("evaluate", run)


def share(name: str) -> float:
    """Of its recipe's epochs, how many it has in esc10_networks.json; those of one crop a clip count by their steps."""
    rows: list[dict[str, Any]] = json.loads((HERE / "esc10_networks.json").read_text())["rows"]
    row = next((row for row in rows if (row["system"], row["fold"]) == (name, FOLD) and "failed" not in row), None)
    if row is None:
        raise DataError(
            f"esc10_networks.json has no training of {name} on fold {FOLD}: run benchmarks/esc10_networks.py first."
        )
    crops = 1 if row["whole_epochs"] else 1 / round(5 / row["window_s"])
    return row["epochs"] / row["epochs_of_recipe"] * crops


def table(work: Path) -> str:
    """For each network that is done what the float one says, and what both int8 ones do."""
    lines = [
        "| ESC-10, fold 1 | float32 | log loss | int8, trained | log loss | int8, calibrated | log loss | epochs "
        "| of int8 | minutes |",
        "|---|" + 9 * "---|",
    ]
    done = [name for name in NETWORKS if (work / name / "evaluation.json").is_file()]
    for name in done:
        run = work / name
        stages = json.loads((run / "evaluation.json").read_text())["stages"]
        first = next(iter(stages))
        cells = [
            f"{100 * stages[stage]['accuracy']:.2f} % | {stages[stage]['log_loss']:.3f}" for stage in (first, *MADE)
        ]
        int8 = len(read_journal(run / "int8" / "journal.jsonl"))
        minutes = sum(row["seconds"] for row in read_journal(run / first / "journal.jsonl")) / 60
        epochs = scaled_epochs(load_system(name), open_run(run).epochs_scale).recipe[0].fields["epochs"]
        lines.append(f"| `{name}` | {' | '.join(cells)} | {epochs} | {int8} | {minutes:.1f} |")
    own = json.loads((work / done[0] / "run.json").read_text()) if done else {"machine": "", "versions": {"torch": ""}}
    lines += [
        "",
        "Trained for minutes on a CPU, each network alone with its own recipe shortened, then made int8: trained on "
        "with simulated int8 for some epochs, or calibrated on training clips with no training. What int8 costs is the "
        "difference; how well a network does in minutes is no figure of its system. 80 test clips of one fold, one "
        "seed: a clip is 1.25 points. The int8 networks are the simulated ones. Minutes: of the float training. On "
        f"{own['machine']}, one thread, torch {own['versions']['torch']}. Written by `benchmarks/int8_trained.py`.",
    ]
    if missing := [f"`{name}`" for name in NETWORKS if name not in done]:
        lines += ["", f"Not run: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_main(main)
