"""Verbs that fetch data sets and look at what is there: get, check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import command

if TYPE_CHECKING:
    from ..data.check import SetReport


def get(
    name: Annotated[str | None, typer.Argument(help="A set: see --list.", show_default=False)] = None,
    to: Annotated[Path, typer.Option(help="Folder to put the set's own folder in.")] = Path("data"),
    only: Annotated[
        str | None, typer.Option(help="Parts, of doc, meta and audio: --only doc,meta. Default: all.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Packages fetched at the same time.")] = 4,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Do not delete fetched archives.")] = False,
    mirror: Annotated[str | None, typer.Option(help="URL of a folder that holds the packages.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the sets with size and licence.")] = False,
) -> None:
    """Fetch a known data set, check it and unpack it; after a stop the same command goes on where the server can."""
    from ..data.download import get as fetched
    from ..data.packages import find_set, parts_of
    from ..errors import SettingError
    from .show import progress_bar

    if list_:
        _print_sets()
        return
    if name is None:
        raise SettingError("which data set? See tinyscene data get --list.")
    known = find_set(name)
    kinds = None if only is None else parts_of(word.strip() for word in only.split(",") if word.strip())
    typer.echo(f"{known.title}\nlicence: {known.licence}", err=True)
    if known.record:
        typer.echo(f"from: https://zenodo.org/records/{known.record}", err=True)
    if known.note and known.can_be_fetched:
        typer.echo(f"note: {known.note}", err=True)

    with progress_bar(f"{known.name}, MB") as report:
        folder = fetched(
            name,
            to,
            kinds,
            workers,
            lambda done, total: report(done // 1_000_000, total // 1_000_000),
            mirror,
            keep_archives,
            lambda line: typer.echo(line, err=True),
        )
    print(folder)
    typer.echo(f"next: {command('data', 'check', to)}", err=True)


def check(
    folder: Annotated[Path, typer.Argument(help="A set's folder, or the one it was fetched into.", show_default=False)],
) -> None:
    """Say what of a known data set is there: packages, and whether lists and audio agree. Exits with 1 if not whole."""
    from ..data.check import check as checked
    from .show import progress_bar

    with progress_bar("packages") as report:
        reports = checked(folder, report)
    for one in reports:
        _print_report(one)
    lacking = [one for one in reports if not one.whole]
    for one in lacking:
        fetched = command("data", "get", one.known.name, "--to", _base(one))
        typer.echo(f"next: {fetched if one.known.can_be_fetched else one.known.note}", err=True)
    if lacking:
        raise typer.Exit(1)


def _print_sets() -> None:
    from ..data.packages import known_sets
    from .show import print_table

    rows = []
    for known in known_sets().values():
        if not known.can_be_fetched:
            size = "not here"
        else:
            size = "?" if known.size is None else amount(known.size)
        rows.append((known.name, size, known.title, known.licence))
    print_table(("set", "size", "title", "licence"), rows, right=False)
    print("\nnext: tinyscene data get NAME --to DIR")


def _print_report(report: SetReport) -> None:
    from .show import print_table

    rows = [(one.package.file, amount(one.package.size), one.state, one.detail) for one in report.packages]
    title = f"{report.known.name}: {report.folder}"
    if rows:
        print_table(("package", "size", "state", ""), rows, title, right=False)
    else:
        print(title)
    if report.n_listed is not None:
        print(f"clips: {report.n_listed:,} listed, {report.n_audio:,} on disk")
        for words, names in (("listed, not on disk", report.absent), ("on disk, in no list", report.unlisted)):
            if names:
                shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
                print(f"{words}: {len(names):,}: {shown}")
    print("whole\n" if report.whole else "not whole\n")


def _base(report: SetReport) -> Path:
    """The folder that the set was fetched into."""
    return report.folder.parents[len(Path(report.known.folder).parts) - 1]


def amount(n_bytes: int) -> str:
    """Bytes in the largest of kB, MB and GB that gives one or more."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:.1f} {name}"
    return f"{n_bytes} B"


VERBS = (get, check)
