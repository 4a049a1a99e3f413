"""The verbs about data sets: data get, check, describe, simulate-devices, cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import command
from . import download_verbs, explore_verbs
from .words import counted

data = typer.Typer(help="Fetch, check, explore and prepare data sets.", no_args_is_help=True, rich_markup_mode=None)


@data.command()
def cache(
    system: Annotated[str, typer.Argument(help="Whose front end makes the features.", show_default=False)],
    folder: Annotated[Path, typer.Option("--data", help="Folder or CSV of the data set.", show_default=False)],
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Which header of a CSV is what: label=species. May be repeated."),
    ] = None,
    fold: Annotated[str | None, typer.Option(help="Test on this fold, train on the others (default: 1).")] = None,
    test_share: Annotated[float | None, typer.Option("--test-share", help="Without folds: as of train.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="As of train: it parts the recordings of --test-share.")] = 1,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Change a number, as of train.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows and clips that cannot be used.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how large it would be, and stop.")] = False,
) -> None:
    """Compute the features that training and evaluation will read; a stopped one goes on where it was."""
    from ..pipeline import RunRecord, fill_caches, prepare
    from ..pipeline.caching import without_undecodable
    from ..systems import load_system
    from .download_verbs import amount
    from .run_verbs import pairs
    from .show import progress_bar

    record = RunRecord(
        system=system,
        data=str(folder.resolve()),
        seed=seed,
        fold=fold,
        test_share=test_share,
        columns=pairs("--column", column),
        skip_bad=skip_bad,
    )
    prepared = prepare(load_system(system).with_settings(pairs("--set", settings)), record, progress_bar)
    if skip_bad:
        prepared, record, bad = without_undecodable(prepared, record)
        if bad:
            typer.echo(
                f"note: {counted(len(bad), 'clip')} left out, which cannot be decoded; first: {bad[0][1]}", err=True
            )
    for note in prepared.dataset.notes:
        typer.echo(f"note: {note}", err=True)
    for line in fill_caches(prepared, amount, dry_run):
        typer.echo(line, err=True)
    if not dry_run:
        given = (("--fold", fold), ("--test-share", test_share), ("--seed", None if seed == 1 else seed))
        words = [word for name, value in given if value is not None for word in (name, value)]
        several = (("--column", column), ("--set", settings))
        words += [word for name, texts in several for text in texts or () for word in (name, text)]
        words += ["--skip-bad"] if skip_bad else []
        typer.echo(f"next: {command('train', system, '--data', folder, '--out', 'runs/mine', *words)}", err=True)


for _verb in (*download_verbs.VERBS, *explore_verbs.VERBS):
    data.command(name=_verb.__name__.replace("_", "-"))(_verb)
