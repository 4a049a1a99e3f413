"""The demo, on synthetic scenes, and their generator."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from ..errors import command


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the data and the run.")] = Path("demo"),
    epochs: Annotated[int, typer.Option(min=1, help="Training epochs.")] = 6,
) -> None:
    """The main job end to end on synthetic scenes: train, compress, export, evaluate, classify, report."""
    from ..compress import prepared  # noqa: F401  # a missing extra must show before an old run is deleted
    from ..errors import OutputError
    from ..export import write_model  # noqa: F401
    from ..train import train as training_loop  # noqa: F401
    from .compress_verb import compress
    from .model_verbs import classify
    from .run_verbs import evaluate, export, train

    run = out / "run"
    if run.exists():
        if not (run / "run.json").is_file():
            raise OutputError(f"{run} exists and is no run of ours; choose another --out.")
        shutil.rmtree(run)
    data = out / "scenes"
    synthesise(data)
    # 132 steps instead of the report's 436,000: a higher rate, RAdam's slow start shortened, half batches mixed from
    # the beginning, every training clip used, the last weights taken.
    settings = {
        "recipe.fit.epochs": str(epochs),
        "augment.bands.mixup.full_epochs": "0",
        "recipe.fit.optimizer.lr": "0.004",
        "recipe.fit.optimizer.betas": "0.9,0.95",
        "recipe.fit.schedule.warmup_epochs": "1",
        "recipe.fit.validation_share": "0.0",
        "recipe.fit.select": "last",
        "recipe.int8.epochs": "1",
        "recipe.int8.validation_share": "0.0",
    }
    with contextlib.redirect_stdout(io.StringIO()):  # the verbs' hints at what comes next: here it comes by itself
        typer.echo("\n1/5 train", err=True)
        train(data, run, "dsmn-1", settings=[f"{key}={value}" for key, value in settings.items()])
        typer.echo("\n2/5 compress to int8", err=True)
        compress(run)
        typer.echo("\n3/5 export", err=True)
        export(run, "waveform")
    typer.echo("\n4/5 evaluate", err=True)
    evaluate(run)
    result = json.loads((run / "evaluation.json").read_text())
    clip = data / next(iter((data / "evaluation_setup" / "fold1_test.csv").read_text().split()[1:]))
    model = run / "dsmn-1-int8-waveform.onnx"
    typer.echo("\n5/5 classify a clip", err=True)
    classify([model, clip], top_k=3)
    typer.echo("the same clip, for the model that comes with tinyscene and knows ten real sounds, none of them this:")
    classify([clip], top_k=3)
    _closing_words(out, run, model, clip, result)


def _closing_words(out: Path, run: Path, model: Path, clip: Path, result: dict) -> None:
    from .show import print_table

    last = result["stages"][result["stage"]]
    rows = [
        (name, str(figures["n"]), f"{100 * figures['accuracy']:.1f} %", f"{figures['log_loss']:.3f}")
        for name, figures in last["per_device_group"].items()
    ]
    print()
    print_table(("devices", "clips", "accuracy", "log loss"), rows, "int8, by group of devices (SYNTHETIC data)")
    print(
        f"""
All of this was synthetic: it shows that everything works, not how well scenes are told apart.
look:   {run / "report" / "index.html"}
next:   {command("info", model)}
        {command("complexity", model)}
        {command("classify", model)} {quote(str(clip.parent))}/*.wav --csv
        tinyscene show tiny-vgg
        tinyscene train tiny-vgg --data YOUR_DATA --out runs/mine"""
    )


def synthesise(
    folder: Annotated[Path, typer.Argument(help="Folder to write the set to.", show_default=False)],
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other scenes.")] = 1,
    edition: Annotated[
        str,
        typer.Option(help="TAU set to follow: 2022 (1 s), 2020 (10 s), 2020-3class (10 s, 48 kHz, stereo, 3 classes)."),
    ] = "2022",
) -> None:
    """Write a small set of synthetic scenes in TAU layout; that of the demo unless told otherwise."""
    from ..data.synthetic import make_synthetic_set
    from .show import progress_bar

    with progress_bar("synthetic scenes") as report:
        make_synthetic_set(folder, seed=seed, progress=report, workers=os.cpu_count() or 1, edition=edition)
    typer.echo(f"synthetic scenes: {folder}", err=True)


VERBS = (demo, synthesise)
