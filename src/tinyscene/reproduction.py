"""What a report's tables are made of: trainings, cells and printed figures, a form that system files fill in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .errors import SettingError, unknown

OF_CLIPS = ("accuracy", "log_loss", "class_accuracy", "class_log_loss", "calibration_error")
OF_NETWORKS = (
    "parameters",
    "parameters_keras",
    "parameters_nonzero",
    "macs",
    "macs_per_s",
    "bytes",
    "bytes_nonzero",
    "kib",
    "kib_keras",
)
DIVISIBLE = ("accuracy", "log_loss")  # means over clips, so that a part of the clips has one too


@dataclass(frozen=True)
class Measure:
    """What a cell is: a figure of the test clips or of the network, and how it is written.

    figure    accuracy (0..1) and log_loss (nats) over clips; class_accuracy, class_log_loss: means over classes;
              calibration_error; counts as `evaluate.count_complexity` names them; kib: non-zero bytes / 1024;
              kib_keras: non-zero numbers as Keras counts them, in bytes of the stored number type, / 1024
    devices   only test clips of these; several: the mean over the clips of all of them
    classes   only test clips of these; not together with devices
    scale     what the figure is multiplied by before it is written with `digits` behind the point and `unit`
    """

    figure: str
    devices: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    scale: float = 1.0
    digits: int = 2
    unit: str = ""

    def __post_init__(self) -> None:
        if self.figure not in (*OF_CLIPS, *OF_NETWORKS):
            raise unknown("Measure", "figure", self.figure, (*OF_CLIPS, *OF_NETWORKS))
        for name in ("devices", "classes"):
            if isinstance(getattr(self, name), str):
                raise SettingError(f"Measure.{name} takes names in a tuple; the text '{getattr(self, name)}' came.")
        if self.devices and self.classes:
            raise SettingError(f"Measure takes devices or classes; both came: {self.devices}, {self.classes}.")
        if (self.devices or self.classes) and self.figure not in DIVISIBLE:
            raise SettingError(
                f"Measure takes devices and classes with {' and '.join(DIVISIBLE)}; they came with {self.figure}."
            )
        if self.digits < 0:
            raise SettingError(f"Measure.digits takes 0 or more; {self.digits} came.")


@dataclass(frozen=True)
class Column:
    """One column: what is measured, of which stage where it is not the row's; None: text of the report alone."""

    title: str
    measure: Measure | None
    stage: str = ""


@dataclass(frozen=True)
class Row:
    """One row: a run or an ensemble, a stage of it ("" its last), and a text of the report for each column.

    "" in `published`: nothing is printed there. A row without a run is quoted only, such as an official baseline.
    `stage` may be one seen otherwise, "fit+tta": its network is that of "fit".
    """

    title: str
    run: str = ""
    stage: str = ""
    published: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of the report. `turned`: printed with its rows as columns; `corner` stands above the rows' titles."""

    title: str
    source: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    turned: bool = False
    corner: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.published) != len(self.columns):
                raise SettingError(
                    f"{self.source}, row '{row.title}', takes a published text for each of {len(self.columns)} "
                    f"columns, '' where nothing is printed; {len(row.published)} came."
                )


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix that the report shows as a picture, without numbers to set ours against."""

    title: str
    source: str
    run: str
    stage: str = ""


@dataclass(frozen=True)
class Run:
    """One training that the tables need.

    system    name of the system
    teacher   name of the run whose logits it learns from, "" for none
    whole     trained on every clip of the set, the test ones too: it may teach, and is never measured
    settings  dotted paths of the system and what they become, as `--set` spells them
    """

    name: str
    system: str
    teacher: str = ""
    whole: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ensemble:
    """Runs that decide together, at one stage of each ("" the last), by a rule of `evaluate.ensembles`."""

    name: str
    members: tuple[str, ...]
    rule: str
    stage: str = ""


@dataclass(frozen=True)
class Reproduction:
    """All that one command trains, measures and sets beside a report's figures.

    report_key  name of the report, as its system file is named
    data        title of the data set that the report's figures are of
    """

    report_key: str
    data: str
    runs: tuple[Run, ...]
    tables: tuple[Table, ...]
    ensembles: tuple[Ensemble, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        here = f"Reproduction of {self.report_key}"
        runs = [run.name for run in self.runs]
        names = [*runs, *(one.name for one in self.ensembles)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or "" in names:
            told = ", ".join(twice) or "one without"
            raise SettingError(f"{here} takes runs and ensembles of different names; {told} came.")
        for i, run in enumerate(self.runs):
            if run.teacher and run.teacher not in runs[:i]:
                raise unknown(f"{here}, run '{run.name}',", "earlier run", run.teacher, runs[:i])
        for one in self.ensembles:
            if not one.members:
                raise SettingError(f"{here}, ensemble '{one.name}', takes members; none came.")
            for member in one.members:
                if member not in runs:
                    raise unknown(f"{here}, ensemble '{one.name}',", "run", member, runs)
        unmeasured = [run.name for run in self.runs if run.whole]
        for place, name in self._measured():
            if name not in names:
                raise unknown(f"{here}, {place},", "run", name, names)
            seen = {name, *(m for one in self.ensembles if one.name == name for m in one.members)} & {*unmeasured}
            if seen:
                raise SettingError(f"{here}, {place}: {', '.join(sorted(seen))} was trained on the test clips too.")

    def leaks(self, name: str) -> bool:
        """Whether a run, or a member of an ensemble, has learned from test clips through its teacher."""
        members = next((one.members for one in self.ensembles if one.name == name), (name,))
        runs = {run.name: run for run in self.runs}
        return any(self._saw_test(runs, member) for member in members)

    def _measured(self) -> Iterable[tuple[str, str]]:
        for table in self.tables:
            yield from ((f"{table.source}, row '{row.title}'", row.run) for row in table.rows if row.run)
        yield from ((one.source, one.run) for one in self.confusions)

    def _saw_test(self, runs: Mapping[str, Run], name: str) -> bool:
        run = runs[name]
        return run.whole or (bool(run.teacher) and self._saw_test(runs, run.teacher))
