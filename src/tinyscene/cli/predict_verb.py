"""The verb that says what a model file makes of a whole data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Hop
from .words import counted, guesses


def predict(
    model: Annotated[Path, typer.Argument(help="A tinyscene model file (.onnx).", show_default=False)],
    data: Annotated[
        Path, typer.Option(help="Folder or CSV of the data set; labels are not needed.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="CSV to write: a row a clip, a column a class.", show_default=False)],
    hop: Hop = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Which header of a CSV is what: label=species. May be repeated."),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows and clips that cannot be used.")] = False,
) -> None:
    """Write a model file's probabilities for every clip of a data set, such as a challenge's evaluation set."""
    from ..data import open_dataset
    from ..evaluate.predicting import predict_dataset
    from .run_verbs import pairs
    from .show import progress_bar

    dataset = open_dataset(data, pairs("--column", column), skip_bad, labelled=False)
    for note in dataset.notes:
        typer.echo(f"note: {note}", err=True)
    with progress_bar(f"predict {dataset.name}") as report:
        left_out, silent, low_rate = predict_dataset(model, dataset, out, hop, skip_bad, report)
    if left_out:
        typer.echo(
            f"note: {counted(len(left_out), 'clip')} left out, which cannot be decoded; first: {left_out[0]}", err=True
        )
    for note in guesses(model, silent, low_rate):
        typer.echo(note, err=True)
    print(out)
    labelled = bool((dataset.target >= 0).all())
    follow = "" if labelled else " next: tinyscene submit make --help"
    typer.echo(f"{counted(len(dataset) - len(left_out), 'clip')}.{follow}", err=True)


VERBS = (predict,)
