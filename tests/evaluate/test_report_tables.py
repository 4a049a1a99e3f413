"""A report's tables filled and shown: figures held to the clips themselves, and nothing called what it is not."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tinyscene.errors import SettingError
from tinyscene.evaluate import Predictions, measure
from tinyscene.evaluate.report_rows import NOTHING
from tinyscene.evaluate.report_tables import Filled, fill
from tinyscene.evaluate.report_tables_shown import as_csv, as_html, as_markdown, as_text
from tinyscene.reproduction import Column, Confusion, Ensemble, Measure, Reproduction, Row, Run, Table

CLASSES = ("bus", "park", "tram")
EVIL = "<b>x</b> | `y`\n[z](http://w)"
COUNTS = {
    "parameters": 1_000,
    "parameters_keras": 1_024,
    "parameters_nonzero": 1_000,
    "bytes": 4_000,
    "bytes_nonzero": 2_048,
    "bytes_by_type": {"float32": 4_000},
    "macs": 2_345_678,
    "macs_per_s": 2_345_678,
}


def predictions(seed: int = 0, devices: tuple[str, ...] = ("a", "b", "c", "s1", "s2", "s4")) -> Predictions:
    """200 clips; device a has as many as all others together, so that a mean of devices is no mean of clips."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 3, 200)
    probabilities = rng.dirichlet(np.ones(3), 200) + 0.5 * np.eye(3)[target]
    device = [devices[0] if i % 2 else devices[i // 2 % len(devices)] for i in range(200)]
    return Predictions(CLASSES, probabilities / probabilities.sum(1, keepdims=True), target, devices=device)


def evaluation(seed: int = 0, **changes: Any) -> dict[str, Any]:
    stages = {"fit": measure(predictions(seed), n_bootstrap=1), "int8": measure(predictions(seed + 50), n_bootstrap=1)}
    data = {"name": "tau-urban-2022-mobile-development", "synthetic": False, "n_test": 200, "split": "fold 1"}
    counts = {"fit": COUNTS, "int8": COUNTS | {"bytes_by_type": {"int8": 900, "float32": 400}, "bytes": 1_300}}
    return {"data": data, "stages": stages, "complexity": counts} | changes


REPRODUCTION = Reproduction(
    report_key="someone2022",
    data="TAU Urban 2022 Mobile",
    runs=(Run("big", "x"), Run("whole", "x", whole=True), Run("small", "y", teacher="whole")),
    ensembles=(Ensemble("both", ("big", "small"), "mean"),),
    tables=(
        Table(
            "Accuracies",
            "table 1",
            columns=(
                Column("Data", None),
                Column("Params", Measure("parameters", scale=1e-3, digits=1, unit="k")),
                Column("All", Measure("accuracy", scale=100, unit="%")),
                Column("S1-S2", Measure("accuracy", devices=("s1", "s2"), scale=100, unit="%")),
                Column("S4-S6", Measure("accuracy", devices=("s4", "s5", "s6"), scale=100, unit="%")),
                Column("int8", Measure("accuracy", scale=100, digits=1), stage="int8"),
            ),
            rows=(
                Row("Baseline", published=("-", "46k", "42.90%", "", "", "")),
                Row("Big", "big", "fit", ("X", "1.1k", "58.14%", "", "51.00%", "50.1")),
                Row("Small", "small", "fit", ("O", "", "", "", "", "")),
            ),
            notes=("A remark.",),
            corner="Model",
        ),
        Table(
            "Log losses",
            "table 2",
            columns=tuple(
                Column(name.upper(), Measure("log_loss", devices=(name,), digits=3)) for name in ("a", "b", "s4")
            ),
            rows=(Row("Big", "big", published=("1.060", "1.400", "1.373")), Row("Both", "both", published=("",) * 3)),
            turned=True,
            corner="Device",
        ),
    ),
    confusions=(Confusion("Confusions", "figure 5", "big", "int8"),),
    notes=("A note.",),
)


def cells(filled: Filled, table: str, row: str) -> dict[str, Any]:
    one = next(one for one in filled.tables if table in (one.source, one.title))
    return dict(zip(one.columns, dict(one.rows)[row], strict=True))


@pytest.fixture(scope="module")
def filled() -> Filled:
    return fill(REPRODUCTION, {"big": evaluation(1)})


def test_figures_of_several_devices_are_those_of_their_clips(filled):
    own = predictions(1)
    rows = np.isin(own.devices, ["s1", "s2"])
    share = np.mean((own.probabilities.argmax(1) == own.target)[rows])
    found = cells(filled, "table 1", "Big")
    assert found["S1-S2"].reached == pytest.approx(100 * share)
    assert found["All"].reached == pytest.approx(100 * np.mean(own.probabilities.argmax(1) == own.target))


def test_without_a_stage_the_last_one_is_shown(filled):
    own = predictions(51)
    loss = -np.log(own.probabilities[np.arange(200), own.target])
    for device in ("a", "b", "s4"):
        mean = loss[np.array(own.devices) == device].mean()
        assert cells(filled, "table 2", device.upper())["Big"].reached == pytest.approx(mean)


def test_of_classes_too():
    wanted = Measure("log_loss", classes=("bus", "tram"))
    one = Table("t", "table 7", (Column("x", wanted),), (Row("r", "big", "fit", ("",)),))
    own = predictions(1)
    rows = own.target != 1
    loss = -np.log(own.probabilities[np.arange(200), own.target])[rows].mean()
    made = fill(Reproduction("k", "d", (Run("big", "x"),), (one,)), {"big": evaluation(1)})
    assert cells(made, "table 7", "r")["x"].reached == pytest.approx(loss)


@pytest.mark.parametrize(
    ("figure", "stage", "told"),
    [
        ("class_accuracy", "fit", "macro_accuracy"),
        ("class_log_loss", "fit", "macro_log_loss"),
        ("calibration_error", "fit", "calibration_error"),
    ],
)
def test_figures_of_all_clips_are_those_of_measure(figure, stage, told):
    one = Table("t", "table 7", (Column("x", Measure(figure)),), (Row("r", "big", stage, ("",)),))
    result = evaluation(1)
    made = fill(Reproduction("k", "d", (Run("big", "x"),), (one,)), {"big": result})
    assert cells(made, "table 7", "r")["x"].reached == result["stages"][stage][told]


@pytest.mark.parametrize(
    ("counts", "kib"),
    [  # report 003, table 3: 62,855 parameters as Keras counts; 61,893 as torch does
        ({"bytes_by_type": {"float32": 1}}, "245.5"),
        ({"bytes_by_type": {"int8": 1, "int32": 1, "float32": 1}}, "61.4"),
        ({"bytes_by_type": {"float16": 1}}, "122.8"),
        ({"bytes_by_type": {"float32": 1}, "parameters_nonzero": 61_893 - 30_224}, "127.5"),
    ],
)
def test_kilobytes_of_report_003(counts, kib):
    whole = {"parameters": 61_893, "parameters_keras": 62_855, "parameters_nonzero": 61_893, "bytes_nonzero": 2_048}
    columns = (Column("keras", Measure("kib_keras", digits=1)), Column("kib", Measure("kib", digits=0)))
    one = Table("t", "table 3", columns, (Row("r", "big", "fit", ("", "")),))
    made = fill(Reproduction("k", "d", (Run("big", "x"),), (one,)),
                {"big": evaluation(complexity={"fit": whole | counts})})  # fmt: skip
    assert [cell.reached_text for cell in cells(made, "table 3", "r").values()] == [kib, "2"]


def test_a_stage_seen_otherwise_has_the_network_of_its_stage():
    result = evaluation(1)
    result["stages"] = {"fit": result["stages"]["fit"], "fit+tta": result["stages"]["int8"]}
    columns = (Column("size", Measure("parameters", digits=0)), Column("acc", Measure("accuracy")))
    one = Table("t", "table 3", columns, (Row("r", "big", "fit+tta", ("", "")),))
    found = cells(fill(Reproduction("k", "d", (Run("big", "x"),), (one,)), {"big": result}), "table 3", "r")
    assert found["size"].reached_text == "1,000"
    assert found["acc"].reached == result["stages"]["fit+tta"]["accuracy"]


def test_what_is_missing_is_said(filled):
    big, small, baseline = (cells(filled, "table 1", row) for row in ("Big", "Small (leak)", "Baseline"))
    assert big["S4-S6"].reached_text == "no s5, s6"  # never a mean over those that are there
    assert small["All"].reached_text == "not run"
    assert baseline["All"].reached_text == ""
    assert big["Data"].reached is None
    assert cells(filled, "table 2", "A")["Both (leak)"].reached_text == "not run"


def test_without_results_the_report_alone_is_shown():
    nothing = fill(REPRODUCTION, {})
    assert nothing.about == "Nothing was run: the figures are those of the report."
    assert nothing.warnings == ()
    assert [one.kind for one in nothing.tables] == ["report", "report", "confusion"]
    assert "58.14% / not run" in as_text(nothing)
    assert "42.90% / " not in as_text(nothing)


def test_seeds_give_mean_and_standard_deviation():
    several = fill(REPRODUCTION, {"big": [evaluation(seed) for seed in (1, 2, 3)]}, seeds=(1, 2, 3))
    reached = [100 * evaluation(seed)["stages"]["fit"]["accuracy"] for seed in (1, 2, 3)]
    cell = cells(several, "table 1", "Big")["All"]
    assert cell.reached == pytest.approx(np.mean(reached))
    assert cell.deviation == pytest.approx(np.std(reached, ddof=1))
    assert cell.reached_text == f"{np.mean(reached):.2f} ± {np.std(reached, ddof=1):.2f}%"
    assert "3 seeds (1, 2, 3): mean ± standard deviation" in several.about
    assert cells(several, "table 1", "Big")["Params"].reached_text == "1.0k"  # the same each time


def test_leaks_are_named_everywhere():
    made = fill(REPRODUCTION, {"small": evaluation(1), "both": evaluation(2)})
    for one in made.tables:
        rows = [*one.columns, *(title for title, _ in one.rows)]
        named = [name for name in rows if re.match("(?i)small|both", name)]
        assert all(name.endswith("(leak)") for name in named)
        if one.kind != "confusion":
            assert any(note.startswith("leak: ") for note in one.notes)


def test_confusions_are_shares_of_the_true_class(filled):
    matrix = evaluation(1)["stages"]["int8"]["confusion"]["matrix"]
    found = cells(filled, "figure 5", "park")
    assert found["tram"].reached == pytest.approx(100 * matrix[1][2] / sum(matrix[1]))
    assert sum(cell.reached for cell in found.values()) == pytest.approx(100)


def test_own_figures_stand_below(filled):
    result = evaluation(1)["stages"]
    kinds = [one.kind for one in filled.tables]
    assert kinds == sorted(kinds, key=["report", "confusion", "own"].index)
    for stage in ("fit", "int8"):
        for table, split, part in (
            ("by class", "per_class", "park"),
            ("by device", "per_device", "s4"),
            ("by group of devices", "per_device_group", "unseen"),
        ):
            row = result[stage][split][part]
            shown = [cells(filled, f"{name} {table}", f"big, {stage}")[part] for name in ("Accuracy", "Log loss")]
            assert [cell.reached for cell in shown] == pytest.approx([100 * row["accuracy"], row["log_loss"]])
    assert cells(filled, "All test clips", "big, fit")["Mean of classes"].reached == pytest.approx(
        100 * result["fit"]["macro_accuracy"]
    )


def test_a_stage_that_is_only_counted_has_no_figures_of_clips():
    columns = (Column("size", Measure("parameters"), stage="int8"), Column("acc", Measure("accuracy"), stage="fit"))
    one = Table("t", "table 3", columns, (Row("r", "big", "", ("", "")),))
    made = fill(Reproduction("k", "d", (Run("big", "x"),), (one,)), {"big": evaluation(1)})
    assert [title for title, _ in made.tables[1].rows] == ["big, fit"]


def test_a_set_without_devices_has_no_tables_of_devices():
    plain = measure(Predictions(CLASSES, np.full((3, 3), 1 / 3), np.arange(3)), n_bootstrap=1)
    made = fill(REPRODUCTION, {"big": evaluation(stages={"fit": plain, "int8": plain})})
    assert not [one.title for one in made.tables if "device" in one.title]
    assert cells(made, "table 1", "Big")["S1-S2"].reached_text == "no s1, s2"


@pytest.mark.parametrize(
    ("data", "scale", "told"),
    [
        ({}, 1, []),
        ({"name": "esc10"}, 1, ["esc10 is not known to be that set"]),
        ({"synthetic": True}, 1, ["no result of the report"]),  # also where it has the right name
        ({"synthetic": True, "name": "demo"}, 0.02, ["no result of the report", "multiplied by 0.02"]),
        ({}, 0.5, ["multiplied by 0.5: this is not the report's training"]),
    ],
)
def test_only_the_reports_own_data_and_training_pass_without_a_warning(data, scale, told):
    result = evaluation(1)
    made = fill(REPRODUCTION, {"big": result | {"data": result["data"] | data}}, epochs_scale=scale)
    assert len(made.warnings) == len(told)
    for warning, words in zip(made.warnings, told, strict=True):
        assert words in warning
        for show in (as_text, as_markdown, as_html):
            assert warning.split(";")[0].split("'")[0] in show(made).replace("&#x27;", "'")
    for show in (as_text, as_markdown, as_html):  # at each table, whatever is copied from there
        n_scaled = len(re.findall(re.escape(f", epochs x {scale:g}"), show(made)))
        assert n_scaled == (0 if scale == 1 else len(made.tables))
        assert ("SYNTHETIC" in show(made)) == bool(data.get("synthetic"))


def test_a_result_of_no_run_is_refused():
    with pytest.raises(SettingError, match=r"someone2022 has no run 'bigg'.*Did you mean 'big'"):
        fill(REPRODUCTION, {"bigg": evaluation()})


def test_text_has_a_line_for_each_row(filled):
    text = as_text(filled)
    number = cells(filled, "table 1", "Big")["All"].reached
    (line,) = re.findall(r"^Big  .*$", text, re.M)
    assert f"58.14% / {number:.2f}%" in line
    assert "1.1k / 1.0k" in line
    assert re.search(rf"^Baseline +- +46k +42\.90% +{NOTHING} +{NOTHING} +{NOTHING}$", text, re.M)
    assert re.search(r"^Device +Big +Both \(leak\)$", text, re.M)  # turned: the runs are columns
    assert max(map(len, as_text(filled, 100).splitlines())) <= 100


def test_csv_has_a_line_for_each_cell(filled):
    rows = list(csv.DictReader(io.StringIO(as_csv(filled))))
    assert len(rows) == sum(len(one.columns) * len(one.rows) for one in filled.tables)
    (row,) = [r for r in rows if (r["table"], r["row"], r["column"]) == ("table 1: Accuracies", "Big", "All")]
    assert (row["published"], row["unit"], row["seeds"], row["deviation"]) == ("58.14%", "%", "1", "")
    assert float(row["reached"]) == pytest.approx(cells(filled, "table 1", "Big")["All"].reached)
    assert {r["data"] for r in rows} == {"tau-urban-2022-mobile-development"}
    (row,) = [r for r in rows if (r["row"], r["column"]) == ("Small (leak)", "All")]
    assert (row["published"], row["reached"], row["seeds"]) == ("", "", "")


class Page(HTMLParser):
    """Checks that tags nest; counts them and the cells of each table row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.widths: list[list[int]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "srcset"}
        if tag == "table":
            self.widths.append([])
        elif tag == "tr":
            self.widths[-1].append(0)
        elif tag in ("td", "th"):
            self.widths[-1][-1] += 1
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_one_page_of_whole_tables(filled):
    page = Page(as_html(filled))
    assert [len(widths) for widths in page.widths] == [1 + len(one.rows) for one in filled.tables]
    assert [set(widths) for widths in page.widths] == [{1 + len(one.columns)} for one in filled.tables]
    assert not {"script", "link", "img", "iframe"} & {*page.tags}
    assert "prefers-color-scheme:dark" in as_html(filled)


def test_names_are_shown_as_they_are():
    of_evil = Table(EVIL, EVIL, (Column(EVIL, Measure("accuracy", unit=EVIL)),), (Row(EVIL, EVIL, "", (EVIL,)),),
                    notes=(EVIL,), corner=EVIL)  # fmt: skip
    made = fill(
        Reproduction("k", EVIL, (Run(EVIL, "x"),), (of_evil,), notes=(EVIL,)),
        {EVIL: evaluation(data={"name": EVIL, "n_test": 1, "split": EVIL})},
        title=EVIL,
    )
    page = as_html(made)
    assert Page(page).tags.count("b") == 0
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    markdown = as_markdown(made)
    assert not re.search(r"(?<!\\)[`<\[]", markdown)
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines[:3]} == {3}
    assert "[z](http://w)" in as_text(made)  # no markup of the terminal's
    assert next(csv.DictReader(io.StringIO(as_csv(made))))["row"] == EVIL
