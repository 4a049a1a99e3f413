"""Verbs about challenge packages: submit make, submit check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError, ModelError, SettingError, command, unknown
from .words import counted

if TYPE_CHECKING:
    from ..pipeline import RunRecord
    from ..submission import Edition, SystemEntry
    from ..system import System

submit = typer.Typer(help="Make and check packages for the challenge.", no_args_is_help=True, rich_markup_mode=None)
FIGURES = ("accuracy", "macro_accuracy", "log_loss", "macro_log_loss", "per_class", "per_device")
HALF = (
    "bytes are those of the weights in 16 bits (--half), accuracy and log loss those of the network in 32 bits: nobody "
    "measured the one in 16. Put a stage compress.Half into the recipe to measure it."
)
Year = Annotated[str, typer.Option(help="2020a, 2020b, 2021, 2022, 2023, 2024 or 2025.", show_default=False)]


@submit.command()
def make(
    year: Year,
    run: Annotated[
        list[str], typer.Option(help="Run of each system; 2024: SPLIT=RUN, five times.", show_default=False)
    ],
    predictions: Annotated[
        list[str],
        typer.Option(help="Predictions of the evaluation set; 2024: SPLIT=FILE, five times.", show_default=False),
    ],
    authors: Annotated[list[Path], typer.Option(help="YAML: authors, names, links.", show_default=False)],
    label: Annotated[list[str], typer.Option(help="Label such as Smith_TAU_task1_1.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The zip to write.", show_default=False)],
    stage: Annotated[str | None, typer.Option(help="Which stage (default: the newest of the evaluation).")] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store the weights in 16 bits; the figures stay those of 32.")
    ] = False,
) -> None:
    """Write a package of 1 to 4 systems; repeat --label, --run and --predictions for each, in the same order."""
    from ..submission import build_package, edition_of
    from ..submission.meta_yaml import NOT_MEASURED, unmeasured

    edition = edition_of(year)
    if out.suffix != ".zip":
        raise SettingError(f"--out takes the name of a .zip to write; {out} came.")
    parts = len(edition.outputs)
    for option, values in (("--run", run), ("--predictions", predictions)):
        if len(values) != parts * len(label):
            raise SettingError(
                f"{option} is needed {parts} time{'s' * (parts > 1)} for each --label in {edition.year}; "
                f"{len(values)} came for {len(label)}."
            )
    if len(authors) not in (1, len(label)):
        raise SettingError(f"--authors takes one file, or one for each --label; {len(authors)} came.")
    entries = []
    for i, name in enumerate(label):
        own = slice(parts * i, parts * (i + 1))
        runs, files = _by_split("--run", edition, run[own]), _by_split("--predictions", edition, predictions[own])
        entries.append(_entry(edition, name, runs, files, authors[min(i, len(authors) - 1)], stage, half))
    names = build_package(edition, entries, out)
    for note in dict.fromkeys(note for entry in entries for note in entry.notes):
        typer.echo(f"note: {note}", err=True)
    if any(unmeasured(entry.meta, edition) for entry in entries):
        typer.echo(f"note: {NOT_MEASURED}", err=True)
    print(out)
    typer.echo(
        f"{counted(len(names), 'file')}. next: {command('submit', 'check', out, '--year', edition.year)}", err=True
    )


@submit.command()
def check(
    package: Annotated[Path, typer.Argument(help="A package (.zip).", show_default=False)],
    year: Year,
) -> None:
    """Say everything that is wrong with a package: files, outputs, meta files, limits of the year."""
    from ..submission import check_package, edition_of
    from ..submission.problems import printable

    edition = edition_of(year)
    problems = check_package(package, edition)
    if problems:
        raise DataError(f"{package} cannot be sent to {edition.year}:\n  " + "\n  ".join(map(printable, problems)))
    print(f"{package}: nothing is wrong; it keeps what {edition.year} asks for.")


def _by_split(option: str, edition: Edition, values: list[str]) -> dict[str, Path]:
    """Split -> path; '' -> path where the edition has one output."""
    splits = [split for split, _ in edition.outputs]
    if splits == [""]:
        return {"": Path(values[0])}
    found = {}
    for value in values:
        split, equals, path = value.partition("=")
        if not equals or split not in splits or split in found:
            raise SettingError(f"{option} takes each of {', '.join(f'{name}=PATH' for name in splits)}; {value} came.")
        found[split] = Path(path)
    return found


def _entry(
    edition: Edition,
    label: str,
    runs: dict[str, Path],
    predictions: dict[str, Path],
    authors: Path,
    stage: str | None,
    half: bool,
) -> SystemEntry:
    """What a run knows, and its author file, as one system of a package."""
    from ..pipeline import configured, open_run, read_energy
    from ..pipeline.learning import completed, load_learned
    from ..submission import SystemEntry, build_meta, describe, read_author_file
    from ..submission.counts import halved, largest
    from ..systems import load_system

    records = {split: open_run(folder) for split, folder in runs.items()}
    for split, folder in runs.items():
        _check_run(edition, split, folder, records[split])
    evaluated = {split: _evaluation(folder) for split, folder in runs.items()}
    split = list(runs)[-1]
    folder, record = runs[split], records[split]
    name = stage or evaluated[split]["stage"]
    for one, content in zip(runs.values(), evaluated.values(), strict=True):
        if name not in content["stages"] or name not in content["complexity"]:
            raise unknown(str(one), "evaluated stage", name, content["stages"])
    counts = largest([content["complexity"][name] for content in evaluated.values()])
    counts = halved(counts) if half else counts
    notes = _check_number_type(edition, folder, name, counts, evaluated[split]["complexity"])
    measured: dict[str, dict[str, Any]] = {key: content["stages"][name] for key, content in evaluated.items()}
    blocks = {f"split_{key}" if key else "": value for key, value in measured.items()}
    own = record.system.startswith("system.py")
    system = configured(load_system(f"{folder}/{record.system}" if own else record.system), record)
    more: dict[str, Any] = {}
    n_models = 1
    if edition.extras:
        more, n_models = _for_2025(system, record, folder, label, name, counts, measured[""], half)
        before = _general(system, name) if n_models > 1 else name  # one network for all devices: the same figures
        blocks = dict(
            zip(edition.results, (measured[""], evaluated[""]["stages"].get(before, measured[""])), strict=True)
        )
    description = describe(completed(system, load_learned(folder)), _trained(name), n_models)
    meta = build_meta(edition, label, read_author_file(authors), description, counts, blocks)
    for key, spent in read_energy(folder).items():  # the author's own numbers stand
        if key in edition.energy and meta["system"]["energy_consumption"].get(key) is None:
            meta["system"]["energy_consumption"][key] = spent
    notes += [HALF] * half
    notes += [f"{label} was trained on the test clips too: its figures are no measure"] * (record.whole or system.whole)
    if edition.year == "2025" and record.fold != "split25":
        notes.append(f"{label} was trained with --fold {record.fold or 1}; the training clips of 2025 are split25")
    return SystemEntry(label, meta, predictions, **more, notes=notes)


def _check_run(edition: Edition, split: str, folder: Path, record: RunRecord) -> None:
    """Refuse a run that tells other classes apart, or was trained on other clips than its split's."""
    if sorted(record.classes) != sorted(edition.classes):
        raise DataError(f"{folder} tells {len(record.classes)} classes apart; {edition.year} has {edition.classes}.")
    if not split:
        return
    wanted = f"split{split}"
    official = (wanted, None, "1") if split == "100" else (wanted,)  # the official fold is all of its clips
    if record.fold in official and record.test_share is None and not record.whole:
        return
    trained = "all clips (--whole)" if record.whole else f"--fold {record.fold or 1}"
    if record.test_share is not None:
        trained = f"--test-share {record.test_share:g}"
    raise SettingError(
        f"--run {split}={folder}: a run with --fold {wanted} is needed, this one was trained with {trained}. Train "
        f"one: {command('train', record.system, '--data', record.data, '--fold', wanted, '--out', 'NEW')}"
    )


def _check_number_type(
    edition: Edition, folder: Path, stage: str, counts: dict[str, Any], stages: dict[str, dict[str, Any]]
) -> list[str]:
    """Refuse a network whose numbers the year does not take; a note of the few that stay float in an int8 network."""
    from ..submission.counts import is_taken, other_types

    others = other_types(counts, edition)
    if not others:
        return []
    if is_taken(counts, edition):
        kinds = ", ".join(f"{size:,} bytes as {kind}" for kind, size in others.items())
        return [f"the stage {stage} keeps {kinds}; {edition.year} takes int8 networks only"]
    good = [name for name, own in stages.items() if is_taken(own, edition)]
    small = f"{command('compress', folder)}, then {command('evaluate', folder)}."
    advice = f"Take --stage {good[-1]}." if good else small
    raise SettingError(
        f"{folder}: the stage {stage} is stored as {', '.join(sorted(others))}, and {edition.year} takes int8 networks "
        f"only. {advice}"
    )


def _for_2025(
    system: System,
    record: RunRecord,
    folder: Path,
    label: str,
    stage: str,
    counts: dict[str, Any],
    measured: dict[str, Any],
    half: bool,
) -> tuple[dict[str, Any], int]:
    """The fields that 2025 adds to a SystemEntry, and how many networks there are."""
    from ..pipeline.learning import load_learned
    from ..submission.inference_2025 import GENERAL, Inference2025, buffers_of, container_weights, rebuilt
    from ..submission.package import device_complexity, measured_accuracy
    from ..submission.years import DEVICES_2025
    from ..train import WEIGHTS, load

    if set(counts["bytes_by_type"]) - {"float32", "float16"}:
        raise SettingError(
            f"{folder}: the stage {stage} is no float network, and the official check of 2025 counts nothing of packed "
            "int8 weights; take a float stage, such as --stage fit --half."
        )
    if stage != _trained(stage):
        raise SettingError(
            f"{folder}: {stage} asks the network several times, which the inference package does not; take --stage "
            f"{_trained(stage)}."
        )
    networks: dict[str, dict[str, Any]] = {}
    for key, value in load(folder / stage / WEIGHTS).items():
        device, _, name = key.rpartition("/")  # of a stage with a network for each device
        if not device or device in DEVICES_2025:
            networks.setdefault(device or GENERAL, {})[name] = value
    try:
        built = rebuilt(system, record.classes, networks.get(GENERAL, {}))
    except ModelError as error:
        raise SettingError(
            f"{folder}: the inference package cannot hold the stage {stage}: {error} Take another one with --stage."
        ) from None
    own = record.system.startswith("system.py")
    inference = Inference2025(
        label=label,
        system=record.system,
        classes=tuple(record.classes),
        weights=container_weights(networks, half),
        settings=record.settings,
        # What augmentations learned is of no use at inference.
        learned={key: value for key, value in load_learned(folder).items() if key.startswith("finish.")},
        system_source=(folder / "system.py").read_text(encoding="utf-8") if own else "",
        buffers=buffers_of(built),
    )
    complexity = device_complexity(dict.fromkeys(DEVICES_2025, (counts["macs"], counts["bytes"])))
    more = {"inference": inference, "complexity": complexity, "test_accuracy": measured_accuracy(measured)}
    return more, len(networks)


def _trained(stage: str) -> str:
    """The stage whose weights decide: "fit+tta" is fit, asked several times."""
    return stage.removesuffix("+tta")


def _general(system: System, stage: str) -> str:
    """The stage that a stage with a network for each device began with."""
    from ..pipeline.recipe import base_of, stages_of

    stages = stages_of(system)
    base = base_of(stages, next(own for own in stages if own.name == stage))
    return stage if base is None else base.name


def _evaluation(run: Path) -> dict[str, Any]:
    """evaluation.json of a run, with the figures and counts that a package needs of every stage."""
    from ..submission.counts import NEEDED

    path = run / "evaluation.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [(FIGURES, row) for row in content["stages"].values()]
        rows += [((*NEEDED, "bytes_by_type"), row) for row in content["complexity"].values()]
        missing = [key for keys, row in rows for key in keys if key not in row]
        if missing or content["stage"] not in content["stages"]:
            raise ValueError(f"{', '.join(missing) or content['stage']} missing")
        return content
    except OSError:
        raise ModelError(f"{run} has no evaluation.json; measure it first: {command('evaluate', run)}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({error}); write it anew: {command('evaluate', run)}") from None
