"""Verbs that look into a data set or make a new one from it: describe, simulate-devices."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import SettingError, command

MAX_COLUMNS = 16  # cities or devices that a table is as wide as
SHOWN = 5  # findings of a kind; --json has more


def describe(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="A data set's folder or CSV.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw the mean spectrum of each device (.png).")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Which header of a CSV is what: label=species. May be repeated."),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be used.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads (default: one a core).")] = None,
) -> None:
    """Count clips by class, device, city and split; find odd lengths, clipping, silence, duplicates and leaks."""
    if picture is not None and picture.suffix.lower() != ".png":
        raise SettingError(f"--picture takes a file that ends in .png; '{picture}' came.")
    from ..data import open_dataset
    from ..data.describe import describe as described
    from ..evaluate.device_picture import draw_devices
    from ..files import write_whole
    from .run_verbs import pairs
    from .show import progress_bar

    dataset = open_dataset(data, pairs("--column", column), skip_bad=skip_bad)
    with progress_bar("clips") as report:
        found = described(dataset, report, workers)
    found["notes"] = list(dataset.notes)
    if picture is not None:
        write_whole(picture, draw_devices(found))
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print(found)
    if picture is not None:
        typer.echo(f"picture: {picture}", err=True)


def simulate_devices(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="A set recorded by one device: folder or CSV.", show_default=False)
    ],
    devices: Annotated[
        Path, typer.Option(help="JSON: each device's response and compressor.", metavar="SPEC.json", show_default=False)
    ],
    to: Annotated[Path, typer.Option(help="Folder for the new set.", metavar="DIR", show_default=False)],
    bits: Annotated[int, typer.Option(help="16 or 24.")] = 24,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one a core).")] = None,
    responses: Annotated[
        Path | None, typer.Option(help="Folder of the impulse responses, if they are not beside SPEC.json.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows and clips that cannot be used, and count them.")
    ] = False,
) -> None:
    """Make a multi-device set in TAU layout. What was done is kept: the same command goes on where it was cut off."""
    from ..data.simulate_devices import simulate_devices as simulated
    from .show import progress_bar

    with progress_bar("clips") as report:
        note = lambda line: typer.echo(f"note: {line}", err=True)  # noqa: E731
        simulated(source, devices, to, bits, workers, report, responses, skip_bad, note)
    print(to)
    folds = sorted(int(path.stem[4:-6]) for path in to.glob("evaluation_setup/fold*_train.csv"))
    other = f"\n      other folds: --fold {folds[1]} to {folds[-1]}" if len(folds) > 1 else ""
    typer.echo(f"next: {command('train', 'SYSTEM', '--data', to, '--out', 'runs/mine')}{other}", err=True)


def _print(found: Mapping[str, Any]) -> None:
    from .show import print_table

    counts = found["counts"]
    title = f"{found['name']}: {_several(found['clips'], 'clip')}" + (" (SYNTHETIC data)" if found["synthetic"] else "")
    for note in found["notes"]:
        typer.echo(f"note: {note}", err=True)
    shown = [key for key in ("device", "city", "fold") if {row[key] for row in counts} - {""}]
    if len({row["city"] for row in counts}) == 1:
        shown = [key for key in shown if key != "city"]
    for key in shown or [""]:
        columns, rows = _crossed(counts, "class", key)
        print_table(columns, rows, title)
        print()
        title = ""
    if {"device", "fold"} <= set(shown):
        columns, rows = _crossed(counts, "device", "fold")
        print_table(columns, rows)
        print()
    rows = [
        (
            name or "all",
            f"{own['clips']:,}",
            *(_number(own["rms_dbfs"][key], ".1f") for key in ("mean", "min", "max")),
            f"{100 * own['clipped_share']:.1f} %",
            f"{100 * own['silent_share']:.1f} %",
        )
        for name, own in found["devices"].items()
    ]
    print_table(("device", "clips", "mean dBFS", "lowest", "highest", "clips at full scale", "time silent"), rows)
    print()
    _print_findings(found)


def _print_findings(found: Mapping[str, Any]) -> None:
    length = found["duration_s"]
    if length["mean"] is not None:
        hours = f"{length['total'] / 3600:.2f} h"
        print(f"length: {length['min']:.2f} to {length['max']:.2f} s, mean {length['mean']:.2f} s, {hours} in all")
    usual = "" if length["usual"] is None else f" (usual: {length['usual']:g} s)"
    rates = ", ".join(f"{int(rate):,} Hz ({n:,})" for rate, n in found["sample_rates_hz"].items())
    channels = ", ".join(f"{number} ({n:,})" for number, n in found["channels"].items())
    print(f"sample rates: {rates}\nchannels: {channels}")
    told = (
        (f"odd lengths{usual}", length["odd"], lambda one: f"{one['file']} {one['seconds']:g} s"),
        ("clips at full scale", found["clipping"], lambda one: f"{one['file']} {_several(one['samples'], 'sample')}"),
        ("silent clips", found["silence"], str),
        ("duplicates", found["duplicates"], _duplicate),
        ("recordings in more than one split", found["leaks"], _leak),
        ("cannot be decoded", found["bad"], lambda one: one["reason"]),
    )
    for what, entries, line in told:
        print(f"{what}: {entries['count'] or 'none'}")
        for one in entries["first"][:SHOWN]:
            print(f"  {line(one)}")
        if entries["count"] > SHOWN:
            print("  ...")


def _duplicate(one: Mapping[str, Any]) -> str:
    marks = [text for key, text in (("labels_differ", "labels"), ("splits_differ", "splits")) if one[key]]
    return " = ".join(one["files"][:4]) + (f" (their {' and '.join(marks)} differ)" if marks else "")


def _leak(one: Mapping[str, Any]) -> str:
    return f"{one['recording']}: " + ", ".join(f"{n} in {fold}" for fold, n in one["clips"].items())


def _crossed(counts: Sequence[Mapping[str, Any]], down: str, across: str) -> tuple[list[str], list[list[str]]]:
    """Clips by two columns, with sums; the columns beyond those that fit are one."""
    cells: Counter[tuple[str, str]] = Counter()
    for row in counts:
        cells[row[down], row[across] if across else ""] += row["clips"]
    heads = sorted({name for _, name in cells}, key=lambda name: (not name, name != "train", *_natural(name)))
    kept, rest = (heads, []) if len(heads) <= MAX_COLUMNS else (heads[: MAX_COLUMNS - 1], heads[MAX_COLUMNS - 1 :])
    groups = [[name] for name in kept] + ([rest] if rest else [])
    columns = [down] if not across else [f"{down} x {across}", *(name or "none" for name in kept)]
    columns += [f"{len(rest)} more"] if rest else []
    names = sorted({name for name, _ in cells}, key=_natural)
    rows = []
    for name in [*names, None]:
        own = [sum(n for (a, b), n in cells.items() if b in group and name in (None, a)) for group in groups]
        row = ["all" if name is None else name or "none", *(f"{n:,}" for n in (own if across else []))]
        rows.append([*row, f"{sum(own):,}"])
    return [*columns, "all"], rows


def _natural(name: str) -> tuple[list[tuple[str, int]], str]:
    """A key that sorts by the alphabet, and numbers in names by their value: s9 before s10."""
    parts = re.findall(r"(\D*)(\d*)", name.casefold())
    return [(text, int(number) if number.isdecimal() else -1) for text, number in parts], name


def _several(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


VERBS = (describe, simulate_devices)
