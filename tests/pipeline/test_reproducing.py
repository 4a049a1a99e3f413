"""A report's trainings as one: what is run, where it lies, what it was set to, and what a second call does again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyscene import load_system
from tinyscene.errors import OutputError, SettingError
from tinyscene.evaluate import Predictions
from tinyscene.evaluate.ensembles import Ensemble as Fitted
from tinyscene.evaluate.ensembles import fit_ensemble
from tinyscene.evaluate.report_tables import fill
from tinyscene.pipeline import RunRecord, reproducing
from tinyscene.pipeline.evaluating import held_out_predictions
from tinyscene.pipeline.reproducing import Reproducing, only
from tinyscene.pipeline.stages import finished_stages
from tinyscene.reproduction import Column, Confusion, Ensemble, Measure, Reproduction, Row, Run, Table
from tinyscene.spec import Spec
from tinyscene.system import System
from tinyscene.train import Distill, Machine

REPORT = Reproduction(
    "imagined",
    "no data",
    runs=(
        Run("teacher", "big", settings={"inference.group_weight": "0.3"}),
        Run("of-all", "big", whole=True),
        Run("clean", "small", teacher="teacher"),
        Run("told", "small", teacher="of-all"),
    ),
    ensembles=(Ensemble("together", ("clean", "told"), "weighted-bias"), Ensemble("mean", ("clean", "told"), "mean")),
    tables=(
        Table(
            "Accuracies",
            "table 1",
            (Column("All", Measure("accuracy", scale=100)), Column("kB", Measure("kib"))),
            (
                Row("Baseline", published=("43", "1")),
                Row("Teacher", "teacher", published=("50", "2")),
                Row("Student", "clean", published=("48", "")),
                Row("Student, told", "told", published=("49", "")),
                Row("Both", "together", published=("51", "")),
            ),
        ),
        Table("Teachers", "table 2", (Column("All", Measure("accuracy")),), (Row("T", "teacher", published=("50",)),)),
    ),
    confusions=(Confusion("Who is who", "figure 1", "clean"),),
)


@contextmanager
def quiet(title: str) -> Iterator[Any]:
    yield lambda done, total: None


@pytest.fixture(scope="module")
def known(narrow: Path) -> Mapping[str, System]:
    """Two narrow systems of one stage: one that teaches and one that learns from it."""
    fewer = {"model.widths": "4,6", "model.segmented": "true,true", "recipe.fit.epochs": "30"}
    base = load_system(str(narrow)).with_settings(fewer)
    stage = base.recipe[0].but(validation_share=0.3)
    distil = Spec(Distill, **{**stage.numbers, "name": "distil", "temperature": 2.0, "weight": 0.5})
    return {"big": base.but(name="big", recipe=(stage,)), "small": base.but(name="small", recipe=(distil,))}


@pytest.fixture(scope="module")
def make(known: Mapping[str, System], scenes: Path):
    """make(out, seeds=..., report=..., said=..., batch_size=..., **record) -> Reproducing."""

    def made(out: Path, seeds: tuple[int, ...] = (1,), report: Reproduction = REPORT, **changes: Any) -> Reproducing:
        said: list[str] = changes.pop("said", [])
        systems, batch_size = changes.pop("systems", known), changes.pop("batch_size", None)
        record = RunRecord(**{"system": "", "data": str(scenes), "seed": 1, "epochs_scale": 0.04} | changes)
        return Reproducing(report, systems, record, out, seeds, quiet, Machine("cpu"), said.append, batch_size)

    return made


@pytest.fixture(scope="module")
def done(make, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    """All of it: the folder, what was reached, the runs that began; Ctrl-C came at the last student, then a second
    call. Tests read it, none changes it."""
    out = tmp_path_factory.mktemp("reproduced") / "out"
    out.mkdir()
    begun: list[str] = []
    stages = reproducing.run_stages

    def cut(prepared: Any, folder: Path, *more: Any, **other: Any) -> list[str]:
        trained = any(folder.glob("*/weights.pt"))
        begun.append(f"{folder.name}{' again' * trained}")
        if begun.count("told") == 1 and folder.name == "told":
            raise KeyboardInterrupt
        return stages(prepared, folder, *more, **other)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reproducing, "run_stages", cut)
        with pytest.raises(KeyboardInterrupt):
            make(out, batch_size=20).run()
        return out, make(out, batch_size=20).run(), begun


def test_what_was_cut_off_goes_on_where_it_was(done) -> None:
    again = ["teacher again", "of-all again", "clean again"]  # which pass over what has its weights
    assert done[2] == ["teacher", "of-all", "clean", "told", *again, "told"]


def test_every_cell_is_filled_and_the_leak_is_named(done) -> None:
    results = done[1]
    assert {name: len(one) for name, one in results.items()} == dict.fromkeys(
        ("teacher", "clean", "told", "together", "mean"), 1
    )
    filled = fill(REPORT, results, epochs_scale=0.04, seeds=(1,))
    accuracies, teachers, confusion = filled.tables[:3]
    for _, cells in (*accuracies.rows[1:], *teachers.rows, *confusion.rows):
        assert all(cell.reached is not None for cell in cells)
    assert [title for title, _ in accuracies.rows][-2:] == ["Student, told (leak)", "Both (leak)"]


def test_each_run_lies_in_a_folder_that_other_verbs_take(done, tinyscene) -> None:
    out, results, _ = done
    assert {path.name for path in out.iterdir()} == {"teacher", "of-all", "clean", "told", "together", "mean"}
    assert not (out / "of-all" / "evaluation.json").exists(), "trained on the test clips: no figure of it anywhere"
    answer = tinyscene("compare", out / "clean", out / "told", out / "together", "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)["systems"]["together"]
    assert said["accuracy"] == pytest.approx(results["together"][0]["stages"]["together"]["accuracy"])


def test_settings_reach_every_run_and_are_kept(done) -> None:
    out = done[0]
    kept = {name: json.loads((out / name / "run.json").read_text()) for name in ("teacher", "of-all", "clean", "told")}
    assert kept["teacher"]["settings"] == {"inference.group_weight": "0.3", "recipe.fit.batch_size": "20"}
    assert kept["clean"]["settings"] == {"recipe.distil.batch_size": "20"}
    assert {name: (one["whole"], one["teacher"]) for name, one in kept.items()} == {
        "teacher": (False, None),
        "of-all": (True, None),
        "clean": (False, "teacher"),
        "told": (False, "of-all"),
    }
    for name, stage in (("teacher", "fit"), ("clean", "distil")):
        assert len((out / name / stage / "journal.jsonl").read_text().splitlines()) == 1, "30 epochs at 0.04"


def test_a_setting_of_the_caller_is_stronger(make, tmp_path: Path) -> None:
    one = make(tmp_path, settings={"inference.group_weight": "0.7", "recipe.fit.batch_size": "9"}, batch_size=20)
    system, record = one._configured(REPORT.runs[0], 4)
    assert system.inference.group_weight == 0.7
    assert system.recipe[0].numbers["batch_size"] == 9
    assert (record.seed, record.system) == (4, "big")


def test_weights_of_an_ensemble_are_fitted_on_clips_that_all_held_out(done, make) -> None:
    out, results, _ = done
    told = json.loads((out / "together" / "ensemble.json").read_text())
    one = make(out, batch_size=20)
    members = []
    for run in REPORT.runs[2:]:
        prepared, folder = one.prepared(run, 1)[0], out / run.name
        members.append(held_out_predictions(prepared, folder, finished_stages(prepared, folder)[-1]))
        crops, _, _ = prepared.crops(0.3, "whole")
        names = prepared.dataset.files
        trained = set(map(str, names[prepared.split.train[crops.rows]]))
        test = set(map(str, names[prepared.split.test]))
        assert set(told["files"]) == set(members[-1].files)
        assert not set(told["files"]) & (trained | test)
    assert Fitted.from_json(json.dumps(told)) == fit_ensemble("weighted-bias", members)
    tests = [Predictions.read_csv(out / name / "distil" / "predictions.csv") for name in ("clean", "told")]
    together = Predictions.read_csv(out / "together" / "predictions.csv")
    fitted = fit_ensemble("weighted-bias", members)
    np.testing.assert_array_equal(together.probabilities, fitted.apply(tests).probabilities)
    assert results["together"][0]["complexity"]["together"]["parameters"] == sum(
        results[name][0]["complexity"]["distil"]["parameters"] for name in ("clean", "told")
    )


def test_students_hear_their_own_teacher(done) -> None:
    out = done[0]
    clean, told = ((out / name / "teacher.csv").read_text() for name in ("clean", "told"))
    assert clean != told
    assert clean.splitlines()[0] == told.splitlines()[0]


def test_a_second_call_trains_and_measures_nothing(done, make, monkeypatch) -> None:
    out, results, _ = done
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*/weights.pt")}
    for name in ("evaluate_run", "ask_teacher"):
        monkeypatch.setattr(reproducing, name, lambda *_, **__: pytest.fail("done again"))
    again = make(out, batch_size=20).run()
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(results))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_other_settings_are_refused_before_anything_is_done(done, make, monkeypatch) -> None:
    out = done[0]
    monkeypatch.setattr(Reproducing, "_trained", lambda *_: pytest.fail("begun"))
    for changes, told in (
        ({"batch_size": 16}, "started with settings"),
        ({"batch_size": 20, "epochs_scale": 0.1}, "started with epochs_scale 0.04, 0.1 came"),
        ({"batch_size": 20, "seeds": (1, 2)}, "was begun with one seed, 2 came"),
    ):
        with pytest.raises((SettingError, OutputError), match=told):
            make(out, **changes).run()


def test_what_a_later_run_cannot_do_is_told_before_the_first(make, known, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Reproducing, "_trained", lambda *_: pytest.fail("begun"))
    with pytest.raises(SettingError, match=r"small.* has no part 'fit'"):
        make(tmp_path, settings={"recipe.fit.epochs": "3"}).run()
    small = known["small"]
    keeps_none = small.but(recipe=(small.recipe[0].but(validation_share=0.0, select="last"),))
    with pytest.raises(SettingError, match=r"together is fitted on .*clean holds none out in its stage distil"):
        make(tmp_path, systems={**known, "small": keeps_none}).run()
    assert not list(tmp_path.iterdir())


def test_seeds_have_folders_of_their_own(make, tmp_path: Path) -> None:
    part = only(REPORT, ["big"])
    said: list[str] = []
    results = make(tmp_path, (3, 4), part, said=said).run()
    assert len(results["teacher"]) == 2
    assert results["teacher"][0]["stages"]["fit"]["log_loss"] != results["teacher"][1]["stages"]["fit"]["log_loss"]
    for seed in (3, 4):
        assert json.loads((tmp_path / "teacher" / f"seed-{seed}" / "run.json").read_text())["seed"] == seed
    cell = fill(part, results, seeds=(3, 4)).tables[0].rows[1][1][0]
    assert cell.deviation == pytest.approx(np.std(cell.values, ddof=1))
    assert [line.rpartition(": ")[0] for line in said] == ["teacher: big, seed 3", "teacher: big, seed 4"]
    with pytest.raises(OutputError, match="was begun with several seeds, 1 came"):
        make(tmp_path, (3,), part).run()
    (tmp_path / "teacher" / "seed-4" / "evaluation.json").write_text("{")  # cut: measured anew
    assert json.loads(json.dumps(make(tmp_path, (3, 4), part).run())) == json.loads(json.dumps(results))


def test_clips_that_cannot_be_decoded_are_left_out_of_every_run(make, scenes, tmp_path: Path, monkeypatch) -> None:
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    bad = sorted((data / "audio").glob("airport-*"))[0]
    bad.write_bytes(b"no audio at all" * 9)
    part, said = only(REPORT, ["big"]), []
    monkeypatch.setattr(Reproducing, "_trained", lambda self, run, seed: {"left": self.prepared(run, seed)[1].left_out})
    for _ in range(2):
        one = make(tmp_path / "out", report=part, data=str(data), skip_bad=True, said=said)
        assert one.run() == {"teacher": [{"left": (f"audio/{bad.name}",)}]}
    assert "note: 1 left out, which cannot be decoded" in said[0]
    assert make(tmp_path / "fine", report=part, skip_bad=True).run() == {"teacher": [{"left": ()}]}


def test_only_keeps_runs_their_teachers_and_the_rows_of_both() -> None:
    students = only(REPORT, ["small"])
    assert students == REPORT
    teachers = only(REPORT, ["big"])
    assert [run.name for run in teachers.runs] == ["teacher"], "one of all clips is trained only where it teaches"
    assert teachers.ensembles == teachers.confusions == ()
    assert [[row.title for row in table.rows] for table in teachers.tables] == [["Baseline", "Teacher"], ["T"]]
    table = replace(REPORT.tables[0], rows=(Row("Other", "other", published=("", "")),))
    runs = (*REPORT.runs, Run("other", "third", teacher="clean"))
    deeper = replace(REPORT, runs=runs, ensembles=(), tables=(table,), confusions=())
    assert [run.name for run in only(deeper, ["third"]).runs] == ["teacher", "clean", "other"], "teachers of teachers"
    with pytest.raises(SettingError, match="the tables of imagined have no run of nothing"):
        only(REPORT, ["nothing"])


def test_a_smaller_batch_slows_sgd_down(make, tmp_path: Path) -> None:
    changed = make(tmp_path, batch_size=8)._batches(load_system("mini-segnet"))
    assert (changed["recipe.fit.batch_size"], changed["recipe.fit.optimizer.lr"]) == ("8", "0.00625")
    assert set(make(tmp_path, batch_size=8)._batches(load_system("cnn6-ca"))) == {"recipe.fit.batch_size"}  # AdamW
    assert make(tmp_path)._batches(load_system("mini-segnet")) == {}
