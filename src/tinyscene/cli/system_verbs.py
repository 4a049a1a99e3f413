"""Verbs about systems: systems, show, new."""

from __future__ import annotations

import keyword
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ..errors import OutputError, SettingError, command
from ..files import write_whole

TRAIN = ("--data", "DIR", "--out", "RUN")  # what a person fills in


def systems() -> None:
    """List the published systems."""
    from ..systems import systems as all_systems
    from .show import print_table

    rows = []
    for name, system in all_systems().items():
        report = system.report
        rows.append((name, str(report.year), report.challenge, report.authors))
    print_table(("system", "year", "challenge", "authors"), rows, right=False)
    print("\nnext: tinyscene show NAME    or    tinyscene train NAME --data DIR --out RUN")


def show(
    system: Annotated[str, typer.Argument(help="A system's name or file.", show_default=False)],
    settings: Annotated[list[str] | None, typer.Option("--set", help="Change a number before showing.")] = None,
) -> None:
    """Print a system as its report tells it: every number, every claim, every gap and the choice taken."""
    from ..systems import load_system, system_file
    from .run_verbs import pairs
    from .sheet import sheet
    from .show import print_table

    chosen = load_system(system).with_settings(pairs("--set", settings))
    report = chosen.report
    print(f"{chosen.name}: {report.title}\n{report.authors}, {report.year}. {report.challenge}.")
    print(f"file: {system_file(system)}\n")
    print_table(("part", "value"), sheet(chosen), right=False)
    if chosen.claims:
        print()
        print_table(
            ("claim", "published", "reached", "source"),
            [
                (figure, c.published, "not run" if c.reached is None else f"{c.reached:,}", c.source)
                for figure, c in chosen.claims.items()
            ],
            right=False,
        )
        for figure, claim in chosen.claims.items():
            if claim.why:
                print(f"  {figure}: {claim.why}")
    for note in chosen.notes:
        print(f"* {note}")
    print(f"\nnext: {command('train', system, *TRAIN)}    or    {command('new', 'mine', '--from', system)}")


def new(
    name: Annotated[str, typer.Argument(help="Name of your system; writes NAME.py here.", show_default=False)],
    source: Annotated[str, typer.Option("--from", help="The system to start from.")] = "tiny-vgg",
) -> None:
    """Write a system file of your own, with one system in it, to change and train."""
    from ..systems import load_system
    from .source import system_source

    stem = name.removesuffix(".py")
    if not stem.replace("-", "_").isidentifier():
        raise SettingError(f"a system's name takes letters, digits, '-' and '_'; '{name}' came.")
    path = Path(f"{stem}.py")
    if path.exists():
        raise OutputError(f"{path} exists already; choose another name or delete it.")
    if what := _taken(stem):
        raise SettingError(f"'{stem}' is {what}; choose another name, such as my-{stem.strip('_')}.")
    text = system_source(load_system(source).but(name=stem), source)
    write_whole(path, text)
    print(f"wrote {path}\nnext: edit it, then {command('train', f'./{path}', *TRAIN)}")


def _taken(name: str) -> str:
    """Whose name it is already; '' if nobody's. Python started beside NAME.py would import it in a module's place."""
    from ..systems import systems as all_systems

    if keyword.iskeyword(name):
        return "a word of Python's own"
    if name in all_systems():
        return "a published system's name"
    if name in sys.stdlib_module_names or name == "__main__":
        return "a module of Python's, which its file would hide"
    spec = find_spec(name)  # of an installed library; a folder without code in it has no origin
    return "a Python library's name, which its file would hide" if spec and spec.origin else ""


VERBS = (systems, show, new)
