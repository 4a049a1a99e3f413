"""One report from its data to its tables, its recipe shortened: every stage learns and every cell is filled.

The other four take longer: benchmarks/reproductions.py, which `make test-full` runs.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tinyscene.data import make_synthetic_set

CHANCE = 1 / 3


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, tinyscene) -> Path:
    """`tinyscene reproduce pham2020` on synthetic sound of its three classes, a few epochs."""
    folder = tmp_path_factory.mktemp("report")
    make_synthetic_set(folder / "scenes", 1, 8, 4, workers=1, edition="2020-3class")
    words = ("--data", folder / "scenes", "--out", folder / "out", "--epochs-scale", 0.06, "--batch-size", 8)
    answer = tinyscene("reproduce", "pham2020", *words)
    assert answer.code == 0, answer.err
    return folder / "out"


def test_every_cell_of_the_report_is_reached(out: Path) -> None:
    with (out / "tables.csv").open(newline="", encoding="utf-8") as file:
        cells = [row for row in csv.DictReader(file) if row["kind"] == "report" and row["row"] != "DCASE 2020"]
    assert len(cells) == 6
    assert all(cell["published"] and cell["reached"] for cell in cells), cells
    assert {cell["epochs_scale"] for cell in cells} == {"0.06"}


@pytest.mark.parametrize("stage", ["fit", "pruned", "int8"])
def test_every_stage_is_better_than_chance_at_unseen_locations(out: Path, stage: str) -> None:
    figures = json.loads((out / "cnn" / "evaluation.json").read_text())["stages"][stage]
    assert figures["n"] == 40
    assert figures["accuracy"] > CHANCE + 0.08, "one standard deviation of guessing"
