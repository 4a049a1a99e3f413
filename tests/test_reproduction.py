"""Reproduction: the form of a report's tables refuses what cannot be filled, and those of the systems fit them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import tinyscene
from tinyscene.errors import SettingError
from tinyscene.reproduction import Column, Confusion, Ensemble, Measure, Reproduction, Row, Run, Table
from tinyscene.systems import systems

RUNS = (Run("big", "x"), Run("all", "x", whole=True), Run("clean", "y", teacher="big"), Run("told", "y", teacher="all"))


def table(*rows: Row) -> Table:
    return Table("accuracies", "table 9", (Column("All", Measure("accuracy")),), rows)


def reproduction(**changes: Any) -> Reproduction:
    known: dict[str, Any] = {
        "report_key": "r",
        "data": "d",
        "runs": RUNS,
        "ensembles": (Ensemble("both", ("clean", "told"), "mean"), Ensemble("fair", ("clean", "big"), "mean")),
        "tables": (table(Row("Model", "clean", published=("50",))),),
    }
    return Reproduction(**(known | changes))


@pytest.mark.parametrize(
    ("name", "leaks"), [("big", False), ("clean", False), ("told", True), ("both", True), ("fair", False)]
)
def test_what_a_teacher_of_all_clips_taught_leaks(name, leaks):
    assert reproduction().leaks(name) is leaks


def test_a_leak_is_handed_down():
    assert reproduction(runs=(*RUNS, Run("grandchild", "z", teacher="told"))).leaks("grandchild")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tables": (table(Row("Model", "claen", published=("",))),)}, "table 9, row 'Model', has no run 'claen'"),
        ({"tables": (table(Row("Model", "all", published=("",))),)}, "all was trained on the test clips too"),
        ({"confusions": (Confusion("c", "figure 9", "nobody"),)}, "figure 9, has no run 'nobody'"),
        ({"confusions": (Confusion("c", "figure 9", "all"),)}, "figure 9: all was trained on the test clips too"),
        ({"runs": (*RUNS, Run("big", "z"))}, "of different names; big came"),
        ({"runs": (*RUNS, Run("both", "z"))}, "of different names; both came"),
        ({"runs": (*RUNS, Run("", "z"))}, "of different names; one without came"),
        ({"runs": (Run("clean", "y", teacher="big"), Run("big", "x"))}, "run 'clean', has no earlier run 'big'"),
        ({"ensembles": (Ensemble("both", ("clean", "nobody"), "mean"),)}, "ensemble 'both', has no run 'nobody'"),
        ({"ensembles": (Ensemble("both", (), "mean"),)}, "ensemble 'both', takes members; none came"),
    ],
)
def test_names_must_be_there(changes, told):
    with pytest.raises(SettingError, match=re.escape(told)):
        reproduction(**changes)


def test_an_ensemble_with_a_run_of_all_clips_is_not_measured():
    of_all = Ensemble("of-all", ("clean", "all"), "mean")
    reproduction(ensembles=(of_all,))
    with pytest.raises(SettingError, match="all was trained on the test clips too"):
        reproduction(ensembles=(of_all,), tables=(table(Row("Model", "of-all", published=("",))),))


def test_each_column_has_a_published_text():
    with pytest.raises(
        SettingError, match=r"table 9, row 'Model', takes a published text for each of 1 columns.* 2 came"
    ):
        table(Row("Model", "clean", published=("50", "60")))
    with pytest.raises(SettingError, match="0 came"):
        table(Row("Model", "clean"))


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"figure": "acuracy"}, "Did you mean 'accuracy'?"),
        ({"figure": "accuracy", "devices": ("a",), "classes": ("bus",)}, "devices or classes; both came"),
        ({"figure": "macs", "devices": ("a",)}, "they came with macs"),
        ({"figure": "class_accuracy", "devices": ("a",)}, "they came with class_accuracy"),
        ({"figure": "accuracy", "devices": "s1"}, "names in a tuple; the text 's1' came"),
        ({"figure": "accuracy", "digits": -1}, "0 or more; -1 came"),
    ],
)
def test_a_measure_that_nothing_can_tell_is_refused(numbers, told):
    with pytest.raises(SettingError, match=re.escape(told)):
        Measure(**numbers)


FOLDER = Path(tinyscene.__file__).parent / "systems"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if "\nREPRODUCTION = " in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_tables_of_a_system_file_name_systems_settings_and_stages_that_are_there(name):
    made: Reproduction = importlib.import_module(f"tinyscene.systems.{name}").REPRODUCTION
    assert made.report_key == name
    known = systems()
    stages = {}
    for run in made.runs:
        system = known[run.system].with_settings(run.settings)
        stages[run.name] = {stage.name for stage in system.recipe}
        looks = getattr(system.inference, "repeats", 1) > 1
        stages[run.name] |= {f"{name}+tta" for name in stages[run.name] if looks}
    asked = [(row.run, column.stage or row.stage) for t in made.tables for row in t.rows for column in t.columns]
    asked += [(one.run, one.stage) for one in made.confusions]
    asked += [(member, one.stage) for one in made.ensembles for member in one.members]
    for run, stage in asked:
        if stage and run in stages:
            assert stage in stages[run], f"{run} has no stage {stage}"
