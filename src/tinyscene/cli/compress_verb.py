"""The verb that makes a run smaller: what it will do, the work, and what each step gained and lost."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ModelError, OutputError, SettingError, command
from .run_verbs import Accelerator, AsJson, Energy, Precision, Resume, Run, ask, kept, opened, pairs, system_of
from .words import counted

if TYPE_CHECKING:
    from ..pipeline import Prepared
    from ..pipeline.compressing import Plan

SHOWN = 20  # layers
TEACHER_WEIGHT = 0.5  # beside the labels; --set recipe.STEP.teacher_weight changes it
MS = {"onnxruntime": "", "torch": " (torch)"}


def compress(
    run: Run,
    to: Annotated[
        list[str] | None,
        typer.Option(
            help="What to make, in this order: int8, ptq (int8 without training), fp16, prune, cut. What comes behind "
            "prune or cut starts from it.",
            show_default="the recipe's own stages",
        ),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(help="Hold the last step against a year's rules, dcase2020 to dcase2025. Exit code 1 if over."),
    ] = None,
    target_parameters: Annotated[int | None, typer.Option(min=1, help="cut: at most so many parameters.")] = None,
    target_macs: Annotated[int | None, typer.Option(min=1, help="cut: at most so many MACs a window.")] = None,
    sparsity: Annotated[float | None, typer.Option(help="prune: share of the weights that become 0.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each step that trains.")] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Steps that train listen to it: a run, RUN itself too, or a CSV of answers.")
    ] = None,
    leak: Annotated[
        bool, typer.Option("--leak", help="Allow a teacher that was trained on this run's test clips.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a step's number: recipe.int8.epochs=5. May be repeated."),
    ] = None,
    analyse: Annotated[
        bool, typer.Option("--analyse", help="Compress nothing; say what each layer costs when it alone is int8.")
    ] = False,
    resume: Resume = False,
    accelerator: Accelerator = "auto",
    precision: Precision = "auto",
    energy: Energy = False,
    as_json: AsJson = False,
) -> None:
    """Make a trained run smaller, each step a folder in the run; without --to the stages of its recipe.

    What will be done is said before, with every number. After it stands a table of all steps on the run's test clips;
    nothing is chosen by them.
    """
    from ..pipeline import TEACHER, measured_energy, open_run, prepare
    from ..pipeline.compressing import check_free, planned, run_plan, settled
    from ..pipeline.configuring import configured
    from ..pipeline.run_folder import write_record
    from ..pipeline.stages import restore
    from ..pipeline.weighing import checked_year
    from ..train import Machine
    from .show import progress_bar

    if limit is not None:
        checked_year(limit)
    kinds = [kind.strip() for text in to or [] for kind in text.split(",")]
    options = {
        "target_parameters": target_parameters,
        "target_macs": target_macs,
        "sparsity": sparsity,
        "epochs": epochs,
        "teacher_weight": None if teacher is None else TEACHER_WEIGHT,
    }
    if analyse:
        if kinds or settings or limit or any(value is not None for value in options.values()):
            raise SettingError("--analyse compresses nothing; say it alone, before or after the work.")
        if resume:
            raise SettingError("--analyse begins anew each time; leave --resume away.")
        _analyse(run, Machine(accelerator, precision), as_json)
        return
    record = open_run(run)
    system = system_of(run, record)
    plan = planned(system, record, kinds)
    plan = settled(plan, system, run, pairs("--set", settings), options, resume)
    prepared = prepare(configured(system, plan.record), plan.record, progress_bar, run)
    note = ""
    if plan.lacks_target(prepared.system):
        if limit is None:
            raise SettingError(
                "--to cut needs to know how far: --target-parameters N, --target-macs N, or --limit, from which both "
                "follow."
            )
        # the cut's own spec cannot be built without a target: the networks before it are those of the run as it was
        before = opened(run)[0]
        found = _target(before, run, limit, plan.stored_as(prepared.system))
        if not found:
            raise SettingError(f"{run} keeps the limits of {limit} uncut; leave cut away, or give --target-parameters.")
        plan = plan.but({f"recipe.{plan.cut}.{key}": str(value) for key, value in found.items()})
        system = configured(system, plan.record)
        prepared = prepare(system, plan.record, progress_bar, run)
        note = f" (from --limit {limit})"
    check_free(plan, prepared.system, run, resume)
    restore(prepared, run)  # says so if nothing is trained
    machine = Machine(accelerator, precision).decided()
    _tell(plan, prepared, note)
    if teacher is not None and not (run / TEACHER).is_file():
        ask(teacher, prepared, run, leak)
    elif teacher is not None and not resume:
        raise OutputError(
            f"{run / TEACHER} holds a teacher's answers already. Let steps listen to those: --set "
            f"recipe.{plan.names[-1]}.teacher_weight={TEACHER_WEIGHT} without --teacher; or delete it."
        )
    with kept(run, resume):
        write_record(run, plan.record)
        with measured_energy(run, "training", energy):
            run_plan(plan, prepared, run, resume, machine, lambda name: typer.echo(f"{name} ...", err=True))
    over = _weigh(prepared, run, plan, limit, as_json)
    if over:
        raise typer.Exit(1)


def _tell(plan: Plan, prepared: Prepared, note: str) -> None:
    from ..pipeline.compressing import numbers

    for i, step in enumerate(plan.steps):
        why = note if step.name == plan.cut else ""
        typer.echo(
            f"{i + 1}. {step.name} from {step.base} ({step.why}): {numbers(prepared.system, step.name)}{why}", err=True
        )


def _target(prepared: Prepared, run: Path, limit: str, precision: str) -> dict[str, int]:
    """What a cut of the trained network has to reach, so that it keeps a year's limits in a precision."""
    from ..pipeline.stages import restore
    from ..pipeline.weighing import fitting_target

    typer.echo(f"working out how far to cut for {limit} ...", err=True)
    return fitting_target(restore(prepared, run), prepared.example(), prepared.system.task.window_s, limit, precision)


def _weigh(prepared: Prepared, run: Path, plan: Plan, limit: str | None, as_json: bool) -> bool:
    """Print the table; whether the last step is over the limit."""
    from ..pipeline.weighing import held_against, left_float, weighed

    typer.echo("measuring each step ...", err=True)
    stages = plan.stages(prepared.system)
    rows = weighed(prepared, run, stages)
    integer = {stage.name: left_float(prepared, run, stage) for stage in stages if stage.precision == "int8"}
    limits = [] if limit is None else held_against(limit, rows[-1])
    over = any(row["ok"] is False for row in limits)
    advice = _advice(prepared, run, plan, str(limit)) if over else ""
    if as_json:
        from dataclasses import asdict

        told = {name: [asdict(layer) for layer in layers] for name, layers in integer.items()}
        print(json.dumps({"steps": rows, "stays_float": told, "limits": limits, "next": advice}, indent=1))
        return over
    from .show import print_table

    print_table(
        ("step", "accuracy", "log loss", "bytes", "MACs", "parameters not 0", "ms a window, one thread"),
        [
            (
                row["step"],
                f"{100 * row['accuracy']:.1f} %",
                f"{row['log_loss']:.3f}",
                f"{row['bytes']:,}",
                f"{row['macs']:,}",
                f"{row['parameters_nonzero']:,}",
                f"{row['ms']:.2f}{MS[row['ms_by']]}",
            )
            for row in rows
        ],
        f"{counted(rows[-1]['n'], 'test clip')}, {prepared.split.how}; nothing is chosen by them",
    )
    for name, layers in integer.items():
        print(
            f"{name}: "
            + ("every layer is int8" if not layers else f"{counted(len(layers), 'layer stays', 'layers stay')} float:")
        )
        for layer in layers:
            print(f"  {layer.layer} ({layer.operation}): {layer.why}")
    for row in limits:
        print(
            f"{row['year']}: {rows[-1]['step']} has {row['value']:,} {row['unit']}, {row['limit']:,} are allowed: "
            f"{'OVER' if row['ok'] is False else 'ok'} ({row['rule']})"
        )
    if over:
        print(advice)
    else:
        export = command("export", run, "--stage", plan.names[-1], "--form", "waveform")
        print(f"next: {export}    then    {command('evaluate', run)}")
    return over


def _advice(prepared: Prepared, run: Path, plan: Plan, limit: str) -> str:
    """What to do where a limit is passed: the shortest way that keeps it."""
    try:
        found = _target(prepared, run, limit, "int8")
    except ModelError as error:
        return f"no cut keeps {limit}: {error}"
    targets = [word for key, value in found.items() for word in (f"--{key.replace('_', '-')}", value)]
    if not found and "prune" in [step.kind for step in plan.steps]:
        return f"next: {command('compress', run, '--to', 'prune,int8', '--resume', '--limit', limit)}"
    kinds = "cut,int8" if found else "int8"
    gone = [quote(str(run / name)) for name in ("cut-int8", "cut") if found and (run / name).is_dir()]
    first = f"delete {' and '.join(gone)}, then: " if gone else ""
    return f"next: {first}{command('compress', run, '--to', kinds, *targets, '--limit', limit)}"


def _analyse(run: Path, machine: Any, as_json: bool) -> None:
    from dataclasses import asdict

    from ..compress.calibrate import Calibrate
    from ..pipeline import finished_stages
    from ..pipeline.sensitivity import SENSITIVITY, sensitivity
    from ..pipeline.stages import restore
    from .show import print_table

    prepared, _ = opened(run)
    restore(prepared, run)  # says so if nothing is trained
    stage = [stage for stage in finished_stages(prepared, run) if stage.precision == "float32"][-1]
    job = prepared.job(Calibrate(validation_share=stage.validation_share), run, False, machine, False)
    rows, n = sensitivity(prepared, run, stage, job)
    if as_json:
        print(json.dumps({"stage": stage.name, "clips": n, "layers": [asdict(row) for row in rows]}, indent=1))
        return
    print_table(
        ("layer", "what", "accuracy", "change", "log loss", "divergence"),
        [
            (
                row.layer,
                row.operations,
                f"{100 * row.accuracy:.1f} %",
                f"{100 * row.accuracy_change:+.1f}",
                f"{row.log_loss_change:+.4f}",
                f"{row.divergence:.5f}",
            )
            for row in rows[: SHOWN + 1]
        ],
        f"each layer of {stage.name} alone in int8, on {counted(n, 'training clip')}, the worst first",
    )
    print(f"all {len(rows) - 1} layers: {run / SENSITIVITY}")


VERBS = (compress,)
