"""Verbs that make and use runs: train, evaluate, export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SettingError, command
from .options import Hop
from .words import counted

if TYPE_CHECKING:
    from ..pipeline import Prepared, RunRecord
    from ..system import System

Accelerator = Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")]
Precision = Annotated[str, typer.Option(help="32-true, bf16-mixed or auto (mixed on a CUDA GPU).")]
Compile = Annotated[
    bool, typer.Option("--compile", help="Let torch.compile make the training step: minutes first, then faster.")
]
Run = Annotated[Path, typer.Argument(help="A run folder, made by train.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Energy = Annotated[bool, typer.Option("--energy", help="Measure kilowatt-hours with codecarbon: RUN/energy.json.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut off.")]


def train(
    data: Annotated[Path, typer.Option(help="Folder or CSV of the data set.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder of the run.", show_default=False)],
    system: Annotated[str, typer.Argument(help="A system's name or file: dsmn-1, ./mine.py.")] = "tiny-vgg",
    fold: Annotated[str | None, typer.Option(help="Test on this fold, train on the others (default: 1).")] = None,
    test_share: Annotated[
        float | None, typer.Option("--test-share", help="Without folds: test on this share of the recordings.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Which header of a CSV is what: label=species. May be repeated."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a number: recipe.fit.epochs=20. May be repeated.")
    ] = None,
    epochs_scale: Annotated[
        float,
        typer.Option("--epochs-scale", help="Shorten all that counts epochs: 0.02. 1 each stays."),
    ] = 1.0,
    robust: Annotated[
        bool,
        typer.Option("--robust", help="Train against other devices: Freq-MixStyle; --responses, or random ones."),
    ] = False,
    responses: Annotated[
        Path | None, typer.Option(help="Hear clips through microphones: folder of measured impulse responses.")
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Train on all labelled clips, the test part too.")] = False,
    teacher: Annotated[
        Path | None, typer.Option(help="Learn from this run, or from a CSV of its answers to the training clips.")
    ] = None,
    leak: Annotated[
        bool, typer.Option("--leak", help="Allow a teacher that was trained on this run's test clips.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows and clips that cannot be used, and count them.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Decides weights, order, crops and augmentation.")] = 1,
    resume: Resume = False,
    accelerator: Accelerator = "auto",
    precision: Precision = "auto",
    compile_step: Compile = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Log to RUN/STAGE/tensorboard too.")] = False,
    energy: Energy = False,
) -> None:
    """Train a system on a data set: the training stages of its recipe."""
    from ..pipeline import (
        TEACHER,
        RunRecord,
        check_teacher,
        circumstances,
        configured,
        measured_energy,
        prepare,
        recorded,
        run_stages,
        start_run,
    )
    from ..runtime.decision import UNKNOWN
    from ..systems import load_system, system_file
    from ..train import Machine
    from .show import progress_bar

    machine = Machine(accelerator, precision, compile_step).decided()
    if fold is not None and test_share is not None:
        raise SettingError("--fold and --test-share exclude each other; give one.")
    own = ".py" in system
    record = RunRecord(
        system=f"system.py{system[system.index('.py') + 3 :]}" if own else system,
        data=str(data.resolve()),
        seed=seed,
        fold=fold,
        test_share=test_share,
        columns=pairs("--column", column),
        settings=pairs("--set", settings),
        epochs_scale=epochs_scale,
        robust=robust,
        responses=None if responses is None else str(responses.resolve()),
        whole=whole,
        teacher=None if teacher is None else str(teacher.resolve()),
        skip_bad=skip_bad,
        **circumstances(),
    )
    chosen = configured(load_system(system), record)
    check_teacher(chosen, teacher, leak)
    prepared = prepare(chosen, record, progress_bar)
    if skip_bad:
        prepared, record = _without_undecodable(prepared, record)
    prepared.probe(machine)  # data or numbers that cannot be used leave no run folder behind
    record = recorded(record, prepared)
    start_run(out, record, resume, system_file(system) if own else None)
    with kept(out, resume):
        for note in prepared.dataset.notes:
            typer.echo(f"note: {note}", err=True)
        if UNKNOWN in prepared.dataset.classes:
            typer.echo(
                f"note: the class '{UNKNOWN}' has the name of decisions that are not sure enough; give it another one, "
                "or the two cannot be told apart.",
                err=True,
            )
        typer.echo(
            f"{chosen.name} on {prepared.dataset.name}: {len(prepared.split.train)} training and "
            f"{counted(len(prepared.split.test), 'test clip')}, {len(prepared.dataset.classes)} classes, "
            f"{prepared.split.how}",
            err=True,
        )
        if teacher is not None and not (out / TEACHER).is_file():
            ask(teacher, prepared, out, leak)
        with measured_energy(out, "training", energy):
            run_stages(prepared, out, False, resume, machine, tensorboard)
    print(f"trained: {out}\nnext: {command('evaluate', out)}    or    {command('compress', out)}")


@contextmanager
def kept(run: Path, resume: bool) -> Iterator[None]:
    """Where Ctrl-C comes inside, say how to go on with what the run holds by then; before, there is nothing to tell."""
    try:
        yield
    except KeyboardInterrupt:
        again = "the same command goes on" if resume else "the same command with --resume goes on"
        typer.echo(f"\nwhat was done is kept in {run}: {again}.", err=True)
        raise


def ask(teacher: Path, student: Prepared, out: Path, leak: bool) -> None:
    """Put what the teacher says of the student's training clips into the student's run."""
    from ..pipeline import ask_teacher, take_logits

    if teacher.is_dir():
        ask_teacher(student, opened(teacher)[0], teacher, out, leak)
    else:
        take_logits(student, teacher, out)


def _without_undecodable(prepared: Prepared, record: RunRecord) -> tuple[Prepared, RunRecord]:
    from dataclasses import replace

    from ..data.decodable import undecodable
    from ..pipeline import prepare
    from .show import progress_bar

    with progress_bar("decode every clip") as report:
        bad = undecodable(prepared.dataset, prepared.system.task.channels, report)
    if not bad:
        return prepared, record
    typer.echo(f"note: {counted(len(bad), 'clip')} left out, which cannot be decoded; first: {bad[0][1]}", err=True)
    record = replace(record, left_out=tuple(file for file, _ in bad))
    return prepare(prepared.system, record, progress_bar), record


def evaluate(
    run: Run,
    hop: Hop = None,
    as_json: AsJson = False,
    energy: Energy = False,
) -> None:
    """Measure every stage and model file of a run on its test clips; write RUN/report."""
    from ..pipeline import evaluate_run, measured_energy

    prepared, record = opened(run)
    with measured_energy(run, "inference", energy):
        result = evaluate_run(prepared, record, run, hop)
    for name in result.get("stale", ()):
        typer.echo(
            f"note: {run / name} was made of other weights than its stage has now and is left out; export it again.",
            err=True,
        )
    if as_json:
        print(json.dumps(result, indent=1))
        return
    from .show import figures_table

    figures_table(result)
    if len(result["stages"]) > 1:
        print(f"{result['stage']} is the newest stage: export, compare and submit take it unless told another.")
    print(f"report: {run / 'report' / 'index.html'}")
    if result["exported"]:
        follow = command("classify", run / list(result["exported"])[-1], "FILE...")
    elif len(result["stages"]) > 1:
        follow = command("export", run, "--form", "waveform")
    else:
        follow = command("compress", run)
    print(f"next: {follow}")


def export(
    run: Run,
    form: Annotated[str, typer.Option(help="features: the device makes them; waveform: the file does.")] = "features",
    stage: Annotated[str | None, typer.Option(help="Which stage (default: the newest).")] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="onnx, tflite (LiteRT: boards, phones) or pte (ExecuTorch).")
    ] = "onnx",
) -> None:
    """Write a run's newest stage as one model file, proven equal to the network before it is written."""
    from ..pipeline import export_run

    prepared, _ = opened(run)
    path = export_run(prepared, run, form, stage, file_format)
    print(path)
    follow = command("classify", path, "FILE...") if file_format == "onnx" else command("info", path)
    typer.echo(f"{path.stat().st_size:,} bytes. next: {follow}", err=True)


def opened(run: Path) -> tuple[Prepared, RunRecord]:
    """A run's data and system, made ready."""
    from ..pipeline import configured, open_run, prepare
    from .show import progress_bar

    record = open_run(run)
    return prepare(configured(system_of(run, record), record), record, progress_bar, run), record


def system_of(run: Path, record: RunRecord) -> System:
    """A run's system as its file says it, without what the record changes in it."""
    from ..systems import load_system

    own = record.system.startswith("system.py")
    return load_system(f"{run}/{record.system}" if own else record.system)


def pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    """["a=1", "b=2"] -> {"a": "1", "b": "2"}."""
    result = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise SettingError(f"{option} takes NAME=VALUE; '{text}' came.")
        if key in result:
            raise SettingError(f"{option} {key} came twice: {result[key]} and {value}; give one.")
        result[key] = value
    return result


VERBS = (train, evaluate, export)
