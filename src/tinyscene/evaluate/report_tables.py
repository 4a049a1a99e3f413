"""A report's tables filled: beside each published figure the one reached, and below them our own figures."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import unknown
from ..reproduction import OF_CLIPS, Column, Confusion, Measure, Reproduction, Row, Table

Evaluation = Mapping[str, Any]
Results = Mapping[str, Evaluation | Sequence[Evaluation]]

NOT_RUN = "not run"
LEAK = "leak: taught by a teacher that was trained on the test clips too"
SYNTHETIC = (
    "Synthetic data: these sounds were made by a program. The figures reached show that everything runs; they are no "
    "result of the report and say nothing about real scenes."
)
SPLITS = (("per_class", "class"), ("per_device", "device"), ("per_device_group", "group of devices"))
HEADLINE = (
    ("Accuracy", Measure("accuracy", scale=100, digits=1, unit="%")),
    ("Mean of classes", Measure("class_accuracy", scale=100, digits=1, unit="%")),
    ("Log loss", Measure("log_loss", digits=3)),
    ("Calibration error", Measure("calibration_error", scale=100, digits=1, unit="%")),
)


@dataclass(frozen=True)
class Cell:
    """One cell: the report's text, and what was reached with each seed, scaled; `missing` says why nothing was."""

    published: str = ""
    values: tuple[float, ...] = ()
    digits: int = 2
    unit: str = ""
    missing: str = ""

    @property
    def reached(self) -> float | None:
        """Mean over the seeds; None where nothing was reached."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the seeds, of n - 1; None below two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def reached_text(self) -> str:
        """As it is shown: "58.1%", "58.1 ± 0.3%" where seeds differ, or why nothing is there."""
        if self.reached is None:
            return self.missing
        more = f" ± {self.deviation:,.{self.digits}f}" if self.deviation else ""
        return f"{self.reached:,.{self.digits}f}{more}{self.unit}"


@dataclass(frozen=True)
class FilledTable:
    """One table ready to be shown. `kind`: of the "report", of our "own", or a "confusion" matrix in per cent."""

    title: str
    source: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    notes: tuple[str, ...] = ()
    kind: str = "report"


@dataclass(frozen=True)
class Filled:
    """A report's tables, our own behind them, and what is said above: data, epochs, seeds, and warnings."""

    title: str
    about: str
    warnings: tuple[str, ...]
    tables: tuple[FilledTable, ...]
    notes: tuple[str, ...]
    data: str
    synthetic: bool
    epochs_scale: float


def fill(
    reproduction: Reproduction,
    results: Results,
    title: str = "",
    epochs_scale: float = 1.0,
    seeds: Sequence[int] = (),
) -> Filled:
    """Each table of the report, its confusion matrices, and our own tables of all that stands in them.

    results: name of a run or an ensemble -> what `pipeline.evaluate_run` returned (of it are read "data", "stages" and
    "complexity"), or one for each seed, of which means and standard deviations are shown. What is not there is "not
    run". A mean over devices that are not all in the data is left out.

    Raises:
        SettingError: a result of no run.
    """
    names = [*(run.name for run in reproduction.runs), *(one.name for one in reproduction.ensembles)]
    for name in results:
        if name not in names:
            raise unknown(f"Reproduction of {reproduction.report_key}", "run", name, names)
    found = {name: [one] if isinstance(one, Mapping) else list(one) for name, one in results.items()}
    tables = [_filled(reproduction, table, found) for table in reproduction.tables]
    tables += [_confusion(reproduction, one, found) for one in reproduction.confusions]
    facts = [one["data"] for several in found.values() for one in several if one.get("data")]
    data = ", ".join(dict.fromkeys(str(one["name"]) for one in facts))
    synthetic = any(one.get("synthetic") for one in facts)
    return Filled(
        title=title or reproduction.report_key,
        about=_about(facts, data, epochs_scale, seeds, max(map(len, found.values()), default=0)),
        warnings=tuple(_warnings(reproduction.data, data, synthetic, epochs_scale)) if found else (),
        tables=(*tables, *_own(reproduction, found)),
        notes=reproduction.notes,
        data=data,
        synthetic=synthetic,
        epochs_scale=epochs_scale,
    )


def _filled(reproduction: Reproduction, table: Table, found: Mapping[str, list[Evaluation]]) -> FilledTable:
    leaks = [bool(row.run) and reproduction.leaks(row.run) for row in table.rows]
    titles = tuple(row.title + " (leak)" * leak for row, leak in zip(table.rows, leaks, strict=True))
    cells = [
        tuple(_cell(found, row, column, text) for column, text in zip(table.columns, row.published, strict=True))
        for row in table.rows
    ]
    columns = tuple(column.title for column in table.columns)
    if table.turned:
        columns, titles, cells = titles, columns, list(zip(*cells, strict=True))
    notes = (*table.notes, LEAK) if any(leaks) else table.notes
    rows = tuple(zip(titles, cells, strict=True))
    return FilledTable(table.title, table.source, table.corner, columns, rows, notes)


def _cell(found: Mapping[str, list[Evaluation]], row: Row, column: Column, published: str) -> Cell:
    if column.measure is None or not row.run:
        return Cell(published)
    return _measured(found.get(row.run, []), column.stage or row.stage, column.measure, published)


def _measured(several: Iterable[Evaluation], stage: str, measure: Measure, published: str = "") -> Cell:
    values = [_value(one, stage, measure) for one in several]
    numbers = tuple(measure.scale * one for one in values if not isinstance(one, str))
    missing = next((one for one in values if isinstance(one, str)), NOT_RUN)
    return Cell(published, numbers, measure.digits, measure.unit, "" if numbers else missing)


def _value(evaluation: Evaluation, stage: str, measure: Measure) -> float | str:
    """The figure, unscaled, or why there is none."""
    name = _stage(evaluation, stage)
    if name is None:
        return NOT_RUN
    if measure.figure not in OF_CLIPS:
        counts = evaluation.get("complexity") or {}
        value = _count(counts.get(name) or counts.get(name.partition("+")[0]) or {}, measure.figure)
        return "not counted" if value is None else value
    figures = evaluation["stages"][name]
    parts, split = (measure.devices, "per_device") if measure.devices else (measure.classes, "per_class")
    if not parts:
        return figures[measure.figure.replace("class_", "macro_")]
    rows = figures.get(split) or {}
    if absent := [part for part in parts if part not in rows]:
        return f"no {', '.join(absent)}"
    n = sum(rows[part]["n"] for part in parts)
    return sum(rows[part]["n"] * rows[part][measure.figure] for part in parts) / n


def _stage(evaluation: Evaluation, stage: str) -> str | None:
    stages = evaluation.get("stages") or {}
    name = stage or next(reversed(stages), "")
    return name if name in stages else None


def _count(counts: Mapping[str, Any], figure: str) -> float | None:
    if not counts:
        return None
    if figure == "kib":
        return counts["bytes_nonzero"] / 1024
    if figure == "kib_keras":
        # Keras counts the running statistics of norms, which are never 0
        numbers = counts["parameters_nonzero"] + counts["parameters_keras"] - counts["parameters"]
        types = counts["bytes_by_type"]
        return numbers * (1 if "int8" in types else 2 if "float16" in types else 4) / 1024
    return counts.get(figure)


def _confusion(reproduction: Reproduction, one: Confusion, found: Mapping[str, list[Evaluation]]) -> FilledTable:
    """Rows of true classes in per cent, so that runs on other numbers of clips can be averaged."""
    stages = [(evaluation, _stage(evaluation, one.stage)) for evaluation in found.get(one.run, [])]
    several = [evaluation["stages"][name]["confusion"] for evaluation, name in stages if name is not None]
    notes = ("The report shows a picture without numbers. Rows are true classes and sum to 100 %.",)
    title = one.title + " (leak)" * reproduction.leaks(one.run)
    if not several:
        return FilledTable(title, one.source, "", (), (), (*notes, f"{one.run}: {NOT_RUN}."), "confusion")
    labels = tuple(several[0]["labels"])
    rows = []
    for i, label in enumerate(labels):
        totals = [sum(matrix["matrix"][i]) for matrix in several]
        cells = (
            tuple(100 * matrix["matrix"][i][j] / n for matrix, n in zip(several, totals, strict=True) if n)
            for j in range(len(labels))
        )
        rows.append((label, tuple(Cell("", values, 1, "", "" if values else "no clips") for values in cells)))
    return FilledTable(title, one.source, "true", labels, tuple(rows), notes, "confusion")


def _own(reproduction: Reproduction, found: Mapping[str, list[Evaluation]]) -> list[FilledTable]:
    """All that stands in the report's tables, by class, device and group: accuracy and log loss."""
    wanted = [
        (row.run, column.stage or row.stage)
        for table in reproduction.tables
        for row in table.rows
        for column in table.columns
        if column.measure is not None and column.measure.figure in OF_CLIPS
    ]
    wanted += [(one.run, one.stage) for one in reproduction.confusions]
    pairs = list(
        dict.fromkeys(
            (run, stage) for run, told in wanted if run in found for stage in [_stage(found[run][0], told)] if stage
        )
    )
    if not pairs:
        return []
    titles = [f"{run}, {stage}" + " (leak)" * reproduction.leaks(run) for run, stage in pairs]
    notes = (LEAK,) if any(reproduction.leaks(run) for run, _ in pairs) else ()
    figures = {pair: found[pair[0]][0]["stages"][pair[1]] for pair in pairs}
    rows = [
        (title, tuple(_measured(found[run], stage, measure) for _, measure in HEADLINE))
        for title, (run, stage) in zip(titles, pairs, strict=True)
    ]
    columns = tuple(name for name, _ in HEADLINE)
    tables = [FilledTable("All test clips", "ours", "run, stage", columns, tuple(rows), notes, "own")]
    for split, name in SPLITS:
        parts = list(dict.fromkeys(part for one in figures.values() for part in one.get(split) or {}))
        for figure, measure in (
            ("Accuracy", Measure("accuracy", scale=100, digits=1, unit="%")),
            ("Log loss", Measure("log_loss", digits=3)),
        ):
            rows = [
                (title, tuple(_of_part(found[run], stage, split, part, measure) for part in parts))
                for title, (run, stage) in zip(titles, pairs, strict=True)
            ]
            if parts:
                heading = f"{figure} by {name}"
                tables.append(FilledTable(heading, "ours", "run, stage", tuple(parts), tuple(rows), notes, "own"))
    return tables


def _of_part(several: Iterable[Evaluation], stage: str, split: str, part: str, measure: Measure) -> Cell:
    rows = [(one["stages"].get(stage, {}).get(split) or {}).get(part) for one in several]
    values = tuple(measure.scale * row[measure.figure] for row in rows if row)
    return Cell(values=values, digits=measure.digits, unit=measure.unit, missing="" if values else f"no {part}")


def _about(facts: Sequence[Mapping[str, Any]], data: str, epochs_scale: float, seeds: Sequence[int], most: int) -> str:
    if not facts:
        return "Nothing was run: the figures are those of the report."
    clips = sorted({one["n_test"] for one in facts})
    splits = ", ".join(dict.fromkeys(str(one["split"]) for one in facts))
    parts = [f"Reached on {data}{' (SYNTHETIC)' * any(one.get('synthetic') for one in facts)}, {splits}"]
    parts.append(f"{' or '.join(f'{n:,}' for n in clips)} test clips")
    parts.append("all epochs" if epochs_scale == 1 else f"epochs x {epochs_scale:g}")
    told = ", ".join(map(str, seeds))
    if most > 1:
        parts.append(f"{most} seeds{f' ({told})' if told else ''}: mean ± standard deviation")
    elif told:
        parts.append(f"seed {told}")
    return "; ".join(parts) + "."


def _warnings(of_report: str, data: str, synthetic: bool, epochs_scale: float) -> Iterable[str]:
    if synthetic:
        yield SYNTHETIC
    elif _letters(of_report) not in _letters(data):
        # a folder of another name may hold the set; what is not known is not claimed
        yield (
            f"The report's figures are of {of_report}; {data or 'the data here'} is not known to be that set. The "
            "figures reached are then no result of the report."
        )
    if epochs_scale != 1:
        yield f"Every number that counts epochs was multiplied by {epochs_scale:g}: this is not the report's training."


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
