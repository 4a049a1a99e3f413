"""Which stage of a run is the newest: what evaluate, export and the others take unless told another."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tinyscene import load_system
from tinyscene.pipeline import RunRecord, configured
from tinyscene.pipeline.compressing import planned
from tinyscene.pipeline.stages import finished_stages
from tinyscene.train import WEIGHTS

RECORD = RunRecord("dsmn-1", "data", 1)


def newest_last(folder: Path, *kinds: str, **ended: int) -> list[str]:
    """The finished stages of dsmn-1 with what --to KINDS adds, each with the time at which its weights were written."""
    system = load_system("dsmn-1")
    system = configured(system, planned(system, RECORD, kinds).record)
    for name, when in ended.items():
        weights = folder / name.replace("_", "-") / WEIGHTS
        weights.parent.mkdir()
        weights.touch()
        os.utime(weights, (when, when))
    prepared: Any = SimpleNamespace(system=system)
    return [stage.name for stage in finished_stages(prepared, folder)]


@pytest.mark.parametrize(
    ("ended", "order"),
    [
        ({"fit": 1, "int8": 2}, ["fit", "int8"]),
        ({"fit": 1, "prune": 2, "prune_int8": 3, "int8": 4}, ["fit", "prune", "prune-int8", "int8"]),
        ({"fit": 1, "int8": 2, "prune": 3, "prune_int8": 4}, ["fit", "int8", "prune", "prune-int8"]),
        ({"fit": 1, "int8": 4, "prune": 3}, ["fit", "prune", "int8"]),
        ({"fit": 9, "prune": 3, "prune_int8": 1}, ["fit", "prune", "prune-int8"]),  # a copy: its times say nothing
        ({}, []),
    ],
)
def test_stages_stand_in_the_order_in_which_they_ended(tmp_path, ended, order):
    assert newest_last(tmp_path, "prune", "int8", **ended) == order
