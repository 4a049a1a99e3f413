"""The verb that classifies whole folder trees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Hop, UnknownBelow

FORMS = {".csv": "csv", ".jsonl": "jsonl"}


def classify_all(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[MODEL] DIR...",
            help="A model file (.onnx; without: the ten sounds of ESC-10), then folders, or files.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="What to write: .csv or .jsonl.", show_default=False)],
    each: Annotated[str, typer.Option(help="A row for each 'file' or each 'window'.")] = "file",
    hop: Hop = None,
    unknown_below: UnknownBelow = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads (default: one a core).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut off.")] = False,
    hidden: Annotated[bool, typer.Option("--hidden", help="Also names that begin with a dot.")] = False,
) -> None:
    r"""Classify all audio files below folders, a row a file or a window; files that cannot be used are listed.

    A CSV is UTF-8: of a file name that is none, each odd byte is written \xNN and each backslash twice.
    """
    from ..errors import SettingError
    from ..runtime.batch import classify_tree
    from ..runtime.classifier import Classifier
    from ..runtime.shipped import model_and_files
    from .show import progress_bar
    from .words import counted, guesses

    if out.suffix.lower() not in FORMS:
        raise SettingError(f"--out takes the name of a {' or '.join(FORMS)} to write; {out} came.")
    if each not in ("file", "window"):
        raise SettingError(f"--each takes file or window; '{each}' came.")
    model, paths = model_and_files(paths)
    if not paths:
        raise SettingError(f"{model} is asked about no folder; name one behind it.")
    classifier = Classifier(model, unknown_below=unknown_below)
    form, reached = FORMS[out.suffix.lower()], (0, 0)
    try:
        with progress_bar("classify") as show:

            def report(done: int, total: int) -> None:
                nonlocal reached
                reached = done, total
                show(done, total)

            summary = classify_tree(classifier, paths, out, form, each, hop, workers, resume, not hidden, report)
    except KeyboardInterrupt:
        if reached[0]:
            done, total = reached
            again = "the same command goes on" if resume else "the same command with --resume goes on"
            are = "is" if done == 1 else "are"
            typer.echo(f"\n{done:,} of {counted(total, 'file')} {are} kept beside {out}: {again}.", err=True)
        raise
    if summary.bad:
        n, why = counted(len(summary.bad), "file"), summary.bad[0][1]
        typer.echo(f"note: {n} cannot be used, listed in {summary.bad_list}; first: {why}", err=True)
    for note in guesses(model, summary.silent, summary.low_rate):
        typer.echo(note, err=True)
    if summary.links:
        n = counted(len(summary.links), "linked folder was", "linked folders were")
        typer.echo(f"note: {n} not entered; first: {summary.links[0]}. Name it as a DIR to take it too.", err=True)
    print(out)
    done = " It was whole already; nothing was done." if summary.before == summary.files else ""
    typer.echo(f"{summary.used:,} of {counted(summary.files, 'file')}, {counted(summary.rows, 'row')}.{done}", err=True)


VERBS = (classify_all,)
