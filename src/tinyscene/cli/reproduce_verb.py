"""The verb that trains and measures all that stands in a report's tables, and sets both side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import SettingError, command, unknown


def reproduce(
    name: Annotated[
        str, typer.Argument(help="A system, or a report for all of its: dsmn-1, wang2023.", show_default=False)
    ],
    data: Annotated[Path, typer.Option(help="Folder of the data set.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the runs and the tables.", show_default=False)],
    seeds: Annotated[int, typer.Option(min=1, help="Train everything so often: mean and standard deviation.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    fold: Annotated[str | None, typer.Option(help="Test on this fold, train on the others (default: 1).")] = None,
    epochs_scale: Annotated[
        float,
        typer.Option("--epochs-scale", help="Shorten all that counts epochs: 0.02. 1 each stays."),
    ] = 1.0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a number in every run: recipe.fit.batch_size=16.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=2, help="In every stage; SGD's rates scale with it.")
    ] = None,
    robust: Annotated[bool, typer.Option("--robust", help="Train all against other devices: see train.")] = False,
    responses: Annotated[Path | None, typer.Option(help="Hear all through measured microphones: see train.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be used.")] = False,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed or auto (mixed on a CUDA GPU).")] = "auto",
) -> None:
    """Train, compress and measure a system as its report did; print the report's tables, published beside reached.

    A second call over the first goes on where it was cut off, and prints the tables anew.
    """
    from ..evaluate.report_tables import fill
    from ..evaluate.report_tables_shown import as_csv, as_html, as_markdown, as_text
    from ..files import write_whole
    from ..pipeline import RunRecord, circumstances
    from ..pipeline.reproducing import Reproducing, alone, only
    from ..systems import reproductions, systems
    from ..train import Machine
    from .run_verbs import kept, pairs
    from .show import progress_bar

    if name.partition(":")[0].endswith(".py"):
        raise SettingError(
            f"reproduce takes the name of a system or of a report, since a file has no published tables; "
            f"{name} came. Train it with: {command('train', name, '--data', data, '--out', out)}"
        )
    whole = reproductions()
    known = systems()
    if name in whole:
        wanted = whole[name]
    else:
        if name not in known:
            raise unknown("tinyscene reproduce", "report or system", name, (*whole, *known))
        wanted = next((one for one in whole.values() if name in {run.system for run in one.runs}), None)
        wanted = alone(known[name]) if wanted is None else only(wanted, [name])
    base = RunRecord(
        system="",
        data=str(data.resolve()),
        seed=seed,
        fold=fold,
        settings=pairs("--set", settings),
        epochs_scale=epochs_scale,
        robust=robust,
        responses=None if responses is None else str(responses.resolve()),
        skip_bad=skip_bad,
        **circumstances(),
    )
    chosen = tuple(range(seed, seed + seeds))
    machine = Machine(accelerator, precision).decided()
    reproducing = Reproducing(
        wanted, known, base, out, chosen, progress_bar, machine, lambda text: typer.echo(text, err=True), batch_size
    )
    with kept(out, resume=True):  # a second call goes on by itself
        results = reproducing.run()
    filled = fill(wanted, results, epochs_scale=epochs_scale, seeds=chosen)
    for suffix, written in (("md", as_markdown), ("csv", as_csv), ("html", as_html)):
        write_whole(out / f"tables.{suffix}", written(filled))
    print(as_text(filled))
    typer.echo(f"tables: {out / 'tables.md'}, .csv, .html", err=True)
    runs = [reproducing.folder(own, chosen[0]) for own in results]
    compare = f"{command('compare', *runs)}    or    " if len(results) > 1 else ""
    typer.echo(f"next: {compare}open {out / 'tables.html'}", err=True)


VERBS = (reproduce,)
