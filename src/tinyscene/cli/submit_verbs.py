"""Verbs about challenge packages: submit make, submit check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError, ModelError, SettingError, unknown

if TYPE_CHECKING:
    from ..submission import Edition, SystemEntry

submit = typer.Typer(help="Make and check packages for the challenge.", no_args_is_help=True, rich_markup_mode=None)
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
    stage: Annotated[str | None, typer.Option(help="Which stage of the run (default: the last).")] = None,
    half: Annotated[bool, typer.Option("--half", help="Weights are stored in 16 bits.")] = False,
) -> None:
    """Write a package of 1 to 4 systems; repeat --label, --run and --predictions for each, in the same order."""
    from ..submission import build_package, edition_of
    from ..submission.meta_yaml import NOT_MEASURED, unmeasured

    edition = edition_of(year)
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
    if any(unmeasured(entry.meta, edition) for entry in entries):
        typer.echo(f"note: {NOT_MEASURED}", err=True)
    print(out)
    typer.echo(f"{len(names)} files. next: tinyscene submit check {out} --year {edition.year}", err=True)


@submit.command()
def check(
    package: Annotated[Path, typer.Argument(help="A package (.zip).", show_default=False)],
    year: Year,
) -> None:
    """Say everything that is wrong with a package: files, outputs, meta files, limits of the year."""
    from ..submission import check_package, edition_of

    edition = edition_of(year)
    problems = check_package(package, edition)
    if problems:
        raise DataError(f"{package} cannot be sent to {edition.year}:\n  " + "\n  ".join(problems))
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
    from ..pipeline import open_run, read_energy
    from ..pipeline.learning import completed, load_learned
    from ..submission import SystemEntry, build_meta, describe, read_author_file
    from ..systems import load_system

    evaluated = {split: _evaluation(folder) for split, folder in runs.items()}
    split = list(runs)[-1]  # in 2024 the network is the same for every split
    folder, result = runs[split], evaluated[split]
    record = open_run(folder)
    own = record.system.startswith("system.py")
    system = load_system(f"{folder}/{record.system}" if own else record.system).with_settings(record.settings)
    name = stage or result["stage"]
    for one, content in zip(runs.values(), evaluated.values(), strict=True):
        if name not in content["stages"]:
            raise unknown(str(one), "evaluated stage", name, content["stages"])
    if sorted(record.classes) != sorted(edition.classes):
        raise DataError(f"{folder} tells {len(record.classes)} classes apart; {edition.year} has {edition.classes}.")
    counts = result["complexity"][name]
    if half:
        counts = halved(counts)
    measured: dict[str, dict[str, Any]] = {key: content["stages"][name] for key, content in evaluated.items()}
    blocks = {f"split_{key}" if key else "": value for key, value in measured.items()}
    if edition.year == "2025":  # one network for all devices: both blocks hold the same figures
        blocks = dict.fromkeys(edition.results, measured[""])
    description = describe(completed(system, load_learned(folder)), name)
    meta = build_meta(edition, label, read_author_file(authors), description, counts, blocks)
    for key, spent in read_energy(folder).items():  # the author's own numbers stand
        if key in edition.energy and meta["system"]["energy_consumption"].get(key) is None:
            meta["system"]["energy_consumption"][key] = spent
    more = _for_2025(record, folder, label, name, counts, measured[""], half) if edition.extras else {}
    return SystemEntry(label, meta, predictions, **more)


def _for_2025(
    record: Any, folder: Path, label: str, stage: str, counts: dict[str, Any], measured: dict[str, Any], half: bool
) -> dict[str, Any]:
    from ..pipeline.learning import load_learned
    from ..submission.inference_2025 import GENERAL, Inference2025, container_weights
    from ..submission.package import device_complexity, measured_accuracy
    from ..submission.years import DEVICES_2025
    from ..train import WEIGHTS, load

    if set(counts["bytes_by_type"]) - {"float32", "float16"}:
        raise SettingError(
            f"{folder}: the stage {stage} is no float network, and the official check of 2025 counts nothing of packed "
            "int8 weights; take a float stage, such as --stage fit --half."
        )
    own = record.system.startswith("system.py")
    inference = Inference2025(
        label=label,
        system=record.system,
        classes=tuple(record.classes),
        weights=container_weights({GENERAL: load(folder / stage / WEIGHTS)}, half),
        settings=record.settings,
        learned=load_learned(folder),
        system_source=(folder / "system.py").read_text(encoding="utf-8") if own else "",
    )
    complexity = device_complexity(dict.fromkeys(DEVICES_2025, (counts["macs"], counts["bytes"])))
    return {"inference": inference, "complexity": complexity, "test_accuracy": measured_accuracy(measured)}


def halved(counts: dict[str, Any]) -> dict[str, Any]:
    """The counts of a float32 network with its weights in 16 bits.

    Raises:
        SettingError: another number format.
    """
    if set(counts["bytes_by_type"]) != {"float32"}:
        raise SettingError(f"--half takes a float32 stage; this one is stored as {', '.join(counts['bytes_by_type'])}.")
    sizes = {key: counts[key] // 2 for key in ("bytes", "bytes_nonzero", "bytes_nonzero_2020")}
    return counts | sizes | {"bytes_by_type": {"float16": sizes["bytes"]}}


def _evaluation(run: Path) -> dict[str, Any]:
    path = run / "evaluation.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ModelError(f"{run} has no evaluation.json; measure it first: tinyscene evaluate {run}") from None
    except ValueError as error:
        raise ModelError(f"{path} cannot be read ({error}); write it anew: tinyscene evaluate {run}") from None
