"""The verb that classifies whole folder trees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FORMS = {".csv": "csv", ".jsonl": "jsonl"}


def classify_all(
    model: Annotated[Path, typer.Argument(help="A tinyscene model file (.onnx).", show_default=False)],
    paths: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders, or files.", show_default=False)],
    out: Annotated[Path, typer.Option(help="What to write: .csv or .jsonl.", show_default=False)],
    each: Annotated[str, typer.Option(help="A row for each 'file' or each 'window'.")] = "file",
    hop: Annotated[float | None, typer.Option(help="Seconds between windows (default: the window's length).")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads (default: one a core).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut off.")] = False,
    hidden: Annotated[bool, typer.Option("--hidden", help="Also names that begin with a dot.")] = False,
) -> None:
    """Classify all audio files below folders, a row a file or a window; files that cannot be used are listed."""
    from ..errors import SettingError
    from ..runtime.batch import classify_tree
    from .show import progress_bar

    if out.suffix.lower() not in FORMS:
        raise SettingError(f"--out takes the name of a {' or '.join(FORMS)} to write; {out} came.")
    if each not in ("file", "window"):
        raise SettingError(f"--each takes file or window; '{each}' came.")
    form, reached = FORMS[out.suffix.lower()], (0, 0)
    try:
        with progress_bar("classify") as show:

            def report(done: int, total: int) -> None:
                nonlocal reached
                reached = done, total
                show(done, total)

            summary = classify_tree(model, paths, out, form, each, hop, workers, resume, not hidden, report)
    except KeyboardInterrupt:
        if reached[0]:
            done, total = reached
            again = "the same command goes on" if resume else "the same command with --resume goes on"
            typer.echo(f"\n{done:,} of {total:,} files are kept beside {out}: {again}.", err=True)
        raise
    if summary.bad:
        n = "1 file" if len(summary.bad) == 1 else f"{len(summary.bad):,} files"
        why = summary.bad[0][1]
        typer.echo(f"note: {n} cannot be used, listed in {summary.bad_list}; first: {why}", err=True)
    if summary.silent:
        n = "1 file is" if summary.silent == 1 else f"{summary.silent:,} files are"
        typer.echo(f"note: {n} digital silence; what is said of them is a guess.", err=True)
    if summary.links:
        n = "1 linked folder was" if len(summary.links) == 1 else f"{len(summary.links):,} linked folders were"
        typer.echo(f"note: {n} not entered; first: {summary.links[0]}. Name it as a DIR to take it too.", err=True)
    print(out)
    typer.echo(f"{summary.used:,} of {summary.files:,} files, {summary.rows:,} rows.", err=True)


VERBS = (classify_all,)
