"""Everything that a report's tables need, trained, compressed and measured, each in a folder of its own; resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.optim import SGD

from ..data.decodable import undecodable
from ..errors import OutputError, SettingError
from ..evaluate import Predictions
from ..evaluate.complexity import ensemble as added
from ..evaluate.ensembles import fit_ensemble
from ..files import make_folder, write_whole
from ..reproduction import Column, Ensemble, Measure, Reproduction, Row, Run, Table
from ..system import System
from ..train import WEIGHTS, Machine, Stage
from .configuring import configured
from .evaluating import evaluate_run, held_out_predictions, measured
from .exporting import EVALUATION, stage_complexity
from .generators import GENERATOR
from .preparing import Prepared, Progress, data_facts, prepare, recorded
from .recipe import stages_of
from .run_folder import RECORD, RunRecord, open_run, start_run, write_json
from .stages import finished_stages, run_stages
from .teacher_file import TEACHER
from .teaching import ask_teacher

Results = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Reproducing:
    """One reproduction on one data set.

    base: the record that each run's is made from: data, fold, epochs scale and the like. A run lies in OUT/NAME, with
    several seeds in OUT/NAME/seed-S. `batch_size` is that of every stage that has one; SGD's rates change with it.
    """

    reproduction: Reproduction
    systems: Mapping[str, System]
    base: RunRecord
    out: Path
    seeds: tuple[int, ...]
    progress: Progress
    machine: Machine
    say: Callable[[str], None]
    batch_size: int | None = None

    def run(self) -> Results:
        """Run all, or go on where it was cut off; what `evaluate_run` said of each run and ensemble, a seed after the
        other.

        Raises:
            DataError, SettingError: what `prepare` and `run_stages` raise, before anything of that run is written; of
                settings, before the first run.
            OutputError: a folder of something else lies where one of these has to.
        """
        self._check()
        make_folder(self.out, "Choose another --out.")
        left_out = self._undecodable() if self.base.skip_bad else ()
        return replace(self, base=replace(self.base, left_out=left_out))._run()

    def _run(self) -> Results:
        results: Results = {}
        for seed in self.seeds:
            for run in self.reproduction.runs:
                self.say(f"{run.name}: {run.system}, seed {seed}: {self.folder(run.name, seed)}")
                done = self._trained(run, seed)
                if not run.whole:
                    results.setdefault(run.name, []).append(done)
            for one in self.reproduction.ensembles:
                self.say(f"{one.name}: {' + '.join(one.members)}, seed {seed}")
                results.setdefault(one.name, []).append(self._together(one, seed))
        return results

    def folder(self, name: str, seed: int) -> Path:
        """Where a run lies."""
        return self.out / name if len(self.seeds) == 1 else self.out / name / f"seed-{seed}"

    def prepared(self, run: Run, seed: int) -> tuple[Prepared, RunRecord]:
        """A run's system and data, made ready."""
        system, record = self._configured(run, seed)
        folder = self.folder(run.name, seed)
        return prepare(system, record, self.progress, folder if folder.is_dir() else None), record

    def _configured(self, run: Run, seed: int) -> tuple[System, RunRecord]:
        system = self.systems[run.system]
        settings = {**run.settings, **self._batches(system), **self.base.settings}
        record = replace(
            self.base, system=run.system, seed=seed, settings=settings, whole=run.whole, teacher=run.teacher or None
        )
        return configured(system, record), record

    def _batches(self, system: System) -> dict[str, str]:
        """What `batch_size` changes in the recipe: with plain SGD the rate too (Goyal et al. 2017, section 2.1)."""
        settings = {}
        for spec in system.recipe:
            if self.batch_size is None or "batch_size" not in spec.fields:
                continue
            settings[f"recipe.{spec.name}.batch_size"] = str(self.batch_size)
            optimizer = spec.fields["optimizer"]
            if optimizer.target is SGD:
                rate = optimizer.fields["lr"] * self.batch_size / spec.fields["batch_size"]
                settings[f"recipe.{spec.name}.optimizer.lr"] = f"{rate:.6g}"
        return settings

    def _check(self) -> None:
        """Refuse now what would stop a later run, when those before it have cost their hours."""
        stages: dict[str, list[Stage]] = {}
        for run in self.reproduction.runs:
            stages[run.name] = stages_of(self._configured(run, self.seeds[0])[0])
            place, several = self.out / run.name, len(self.seeds) > 1
            if (place / RECORD).is_file() if several else any(place.glob(f"seed-*/{RECORD}")):
                raise OutputError(
                    f"{place} was begun with {'one seed' if several else 'several seeds'}, {len(self.seeds)} came; "
                    "give as many as then, or choose another --out."
                )
            for seed in self.seeds:
                if (self.folder(run.name, seed) / RECORD).is_file():
                    start_run(self.folder(run.name, seed), self._configured(run, seed)[1], resume=True)
        for one in self.reproduction.ensembles:
            for name in one.members if one.rule != "mean" else ():
                stage = _stage(stages[name], one.stage)
                if not stage.validation_share:
                    raise SettingError(
                        f"{one.name} is fitted on training clips that its members held out, and {name} holds none out "
                        f"in its stage {stage.name}; give recipe.{stage.name}.validation_share a number above 0."
                    )

    def _undecodable(self) -> tuple[str, ...]:
        """The clips to leave out of every run: as the first one did that was begun, else all are decoded once."""
        for run in self.reproduction.runs:
            for folder in (self.folder(run.name, seed) for seed in self.seeds):
                if (folder / RECORD).is_file():
                    return open_run(folder).left_out
        prepared, _ = self.prepared(self.reproduction.runs[0], self.seeds[0])
        with self.progress("decode every clip") as report:
            bad = undecodable(prepared.dataset, prepared.system.task.channels, report)
        if bad:
            self.say(f"note: {len(bad):,} left out, which cannot be decoded; first: {bad[0][1]}")
        return tuple(file for file, _ in bad)

    def _trained(self, run: Run, seed: int) -> dict[str, Any]:
        folder = self.folder(run.name, seed)
        prepared, record = self.prepared(run, seed)
        prepared.probe(self.machine)
        record = recorded(record, prepared)
        start_run(folder, record, resume=True)
        if run.teacher:
            self._take_over(run, prepared, folder, seed)
        for compress in sorted({spec.build().compresses for spec in prepared.system.recipe}):
            run_stages(prepared, folder, compress, resume=True, machine=self.machine)
        if run.whole:
            return {}
        newest = max((folder / stage.name / WEIGHTS).stat().st_mtime for stage in finished_stages(prepared, folder))
        written = folder / EVALUATION
        if written.is_file() and written.stat().st_mtime > newest:
            try:
                return json.loads(written.read_text(encoding="utf-8"))
            except ValueError:  # cut or changed: measured anew
                pass
        prepared, _ = self.prepared(run, seed)  # with what its parts learned
        return evaluate_run(prepared, record, folder)

    def _take_over(self, run: Run, prepared: Prepared, folder: Path, seed: int) -> None:
        """What a student has of its teacher: its answers, and the generator of clips, where it trained one."""
        teacher = next(own for own in self.reproduction.runs if own.name == run.teacher)
        theirs = self.folder(teacher.name, seed)
        if (theirs / GENERATOR).is_file() and not (folder / GENERATOR).is_file():
            write_whole(folder / GENERATOR, (theirs / GENERATOR).read_bytes())
        if not (folder / TEACHER).is_file():
            leak = self.reproduction.leaks(teacher.name)
            ask_teacher(prepared, self.prepared(teacher, seed)[0], theirs, folder, leak)

    def _together(self, one: Ensemble, seed: int) -> dict[str, Any]:
        """The members' decision; where the rule has weights, they are fitted on training clips held out of all."""
        first = next(own for own in self.reproduction.runs if own.name == one.members[0])
        data = self.prepared(first, seed)[0]  # every member has the same
        tests, held_out, counts = [], [], []
        for name in one.members:
            run = next(own for own in self.reproduction.runs if own.name == name)
            prepared, folder = self.prepared(run, seed)[0], self.folder(name, seed)
            stage = _stage(finished_stages(prepared, folder), one.stage)
            tests.append(Predictions.read_csv(folder / stage.name / "predictions.csv"))
            counts.append(stage_complexity(prepared, folder, stage))
            if one.rule != "mean":
                held_out.append(held_out_predictions(prepared, folder, stage))
        fitted = fit_ensemble(one.rule, held_out or tests)
        folder = self.folder(one.name, seed)
        folder.mkdir(parents=True, exist_ok=True)
        together = fitted.apply(tests)
        together.write_csv(folder / "predictions.csv")
        write_json(folder / "ensemble.json", json.loads(fitted.to_json()))
        result = {
            "run": str(folder),
            "system": one.name,
            "data": data_facts(data),
            "stage": "together",
            "predictions": "predictions.csv",
            "stages": {"together": measured(data, together)},
            "complexity": {"together": added(counts)},
        }
        write_json(folder / EVALUATION, result)
        return result


def only(reproduction: Reproduction, names: Sequence[str]) -> Reproduction:
    """The part that measures these systems: their runs, the teachers of those, and the rows they stand in.

    A run of all clips stays where it teaches one that stays.

    Raises:
        SettingError: none of the runs that are measured is of these systems.
    """
    wanted = {run.name for run in reproduction.runs if run.system in names and not run.whole}
    if not wanted:
        raise SettingError(f"the tables of {reproduction.report_key} have no run of {', '.join(names)}.")
    runs: list[Run] = []
    for run in reversed(reproduction.runs):
        if run.name in wanted or any(own.teacher == run.name for own in runs):
            runs.insert(0, run)
    ensembles = tuple(one for one in reproduction.ensembles if set(one.members) <= wanted)
    kept = {run.name for run in runs} | {one.name for one in ensembles}
    tables = []
    for table in reproduction.tables:
        rows = tuple(row for row in table.rows if not row.run or row.run in kept)
        if any(row.run for row in rows):
            tables.append(replace(table, rows=rows))
    confusions = tuple(one for one in reproduction.confusions if one.run in kept)
    return replace(reproduction, runs=tuple(runs), ensembles=ensembles, tables=tuple(tables), confusions=confusions)


def alone(system: System) -> Reproduction:
    """A reproduction of a system that stands in no table of a report: one run, and our own tables of it.

    Raises:
        SettingError: it trains on every clip, so that none is left to measure it on.
    """
    if system.whole:
        raise SettingError(
            f"{system.name} trains on all clips, the test part too: nothing is left to measure it on. "
            f"Train it with: tinyscene train {system.name}"
        )
    columns = (
        Column("Accuracy", Measure("accuracy", scale=100, digits=1, unit="%")),
        Column("Log loss", Measure("log_loss", digits=3)),
        Column("Parameters", Measure("parameters", digits=0)),
        Column("MACs", Measure("macs", digits=0)),
        Column("KiB", Measure("kib", digits=1)),
    )
    rows = tuple(Row(stage.name, system.name, stage.name, ("",) * len(columns)) for stage in stages_of(system))
    table = Table(system.name, "ours: no table of the report has it", columns, rows, corner="Stage")
    return Reproduction(system.name, "", (Run(system.name, system.name),), (table,))


def _stage(stages: Sequence[Stage], name: str) -> Stage:
    """The stage of that name, or the last."""
    return next((own for own in stages if own.name == name), stages[-1])
