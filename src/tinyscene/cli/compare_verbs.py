"""Verbs about what was predicted: compare, ensemble, calibrate."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ModelError, OutputError, SettingError, command, within
from .words import counted

if TYPE_CHECKING:
    from ..evaluate import Predictions

Sources = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN|FILE.csv...", help="Run folders (their last stage), or predictions.", show_default=False
    ),
]


def compare(
    sources: Sources,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables as Markdown to this file.")] = None,
    latex: Annotated[Path | None, typer.Option(help="Write the tables as LaTeX to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other resamples.")] = 0,
) -> None:
    """Compare systems on the same files: accuracy and log loss, with a paired test by recording for each two."""
    from ..evaluate.comparison import as_latex, as_markdown, as_text
    from ..evaluate.comparison import compare as compared
    from ..files import write_whole

    if len(sources) < 2:
        raise SettingError("tinyscene compare takes two runs or predictions or more; 1 came.")
    _apart(sources, {"--markdown": (markdown, ".md"), "--latex": (latex, ".tex")})
    found = compared(opened(sources), seed)
    for path, written in ((markdown, as_markdown), (latex, as_latex)):
        if path is not None:
            write_whole(path, written(found))
            typer.echo(f"tables: {path}", err=True)
    print(json.dumps(found, indent=1) if as_json else as_text(found), end="\n" if as_json else "")
    typer.echo("next: tinyscene ensemble --help", err=True)


def ensemble(
    sources: Sources,
    out: Annotated[Path, typer.Option(help="CSV to write: what they say together.", show_default=False)],
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            "--held-out",
            metavar="FILE.csv",
            help="Predictions to fit the rule on, one a system, in the same order (runs: of the clips they held out).",
        ),
    ] = None,
    rule: Annotated[str, typer.Option(help="mean, weighted, weighted-bias or bayesian.")] = "mean",
) -> None:
    """Let systems decide together; the rules but the mean are fitted on other files than those they are used on."""
    from ..errors import unknown
    from ..evaluate.ensembles import RULES, aligned, fit_ensemble
    from ..evaluate.metrics import measure

    if rule not in RULES:
        raise unknown("--rule", "rule", rule, RULES)
    if len(sources) < 2:
        raise SettingError("tinyscene ensemble takes two runs or predictions or more; 1 came.")
    fitted_on = held_out or []
    if rule == "mean" and fitted_on:
        raise SettingError("the rule 'mean' fits nothing; leave --held-out away, or choose another --rule.")
    of_runs = rule != "mean" and not fitted_on and all(path.is_dir() for path in sources)
    if rule != "mean" and not of_runs and len(fitted_on) != len(sources):
        raise SettingError(
            f"the rule '{rule}' takes --held-out once for each of {len(sources)} systems, in their order, or run "
            f"folders alone, which know what they held out; {len(fitted_on)} came."
        )
    _apart([*sources, *fitted_on], {"--out": (out, ".csv")})
    systems = opened(sources)
    matched = aligned(systems)
    if of_runs:
        held = dict(zip(systems, map(_held_out_of, sources), strict=True))
    else:
        held = opened(fitted_on) if fitted_on else systems
    fitted = fit_ensemble(rule, aligned(held))
    together = fitted.apply(matched)
    together.write_csv(out)
    print(out)
    for name, weight in zip(systems, fitted.weights, strict=True):
        typer.echo(f"weight {weight:.4f}  {name}", err=True)
    if any(fitted.bias):
        told = ", ".join(f"{name} {bias:+.3f}" for name, bias in zip(fitted.classes, fitted.bias, strict=True))
        typer.echo(f"bias: {told}", err=True)
    if together.target.min() >= 0:
        for name, one in (*zip(systems, matched, strict=True), ("together", together)):
            figures = measure(one, n_bootstrap=1)
            typer.echo(
                f"{100 * figures['accuracy']:5.1f} %, log loss {figures['log_loss']:.3f}, "
                f"calibration error {figures['calibration_error']:.3f}  {name}",
                err=True,
            )
        typer.echo(f"next: {command('compare', out, *sources)}", err=True)


def calibrate(
    run: Annotated[Path, typer.Argument(help="A run folder that was evaluated.", show_default=False)],
    stage: Annotated[str | None, typer.Option(help="Which stage (default: the newest).")] = None,
    unknown_below: Annotated[
        float, typer.Option("--unknown-below", help="Confidence, 0 to 1, below which a live scene is unknown.")
    ] = 0.0,
) -> None:
    """Fit a temperature on held-out training clips; say what it does to log loss and calibration on the test clips.

    The next export of the stage holds the temperature, and what is unknown, in its model file.
    """
    from ..errors import unknown
    from ..evaluate.temperature import COLDEST, HOTTEST
    from ..pipeline import finished_stages
    from ..pipeline.calibrating import calibrate as calibrated
    from .run_verbs import opened as opened_run
    from .show import print_table

    within("--unknown-below", unknown_below, 0, 1)
    prepared, _ = opened_run(run)
    stages = {own.name: own for own in finished_stages(prepared, run)}
    if not stages:
        raise ModelError(f"{run} has no trained weights yet; train it first.")
    name = stage or list(stages)[-1]
    if name not in stages:
        raise unknown(str(run), "finished stage", name, stages)
    found = calibrated(prepared, run, stages[name], unknown_below)
    rows = [
        (told, f"{figures['accuracy']:.1%}", f"{figures['log_loss']:.3f}", f"{figures['calibration_error']:.3f}")
        for told, figures in (("as trained", found.before), (f"at temperature {found.temperature:.3f}", found.after))
    ]
    if found.temperature in (COLDEST, HOTTEST):
        typer.echo(
            f"note: the temperature is at the end of its range, {COLDEST:g} to {HOTTEST:g}: "
            f"{counted(found.n, 'held-out clip says', 'held-out clips say')} too little, or all the "
            "same. Do not trust it.",
            err=True,
        )
    print_table((f"{name}, test clips", "accuracy", "log loss", "calibration error"), rows)
    typer.echo(
        f"fitted on {counted(found.n, 'held-out training clip')}: {run / name / 'temperature.json'}\n"
        f"next: {command('export', run, '--stage', name)}    or    "
        f"{command('compare', run / name / 'predictions.csv', run / name / 'predictions-calibrated.csv')}",
        err=True,
    )


def opened(sources: list[Path]) -> dict[str, Predictions]:
    """Predictions under short names: the folder of a run, the stem of a file; the whole path where two are the same."""
    from ..evaluate import Predictions

    if len({path.resolve() for path in sources}) < len(sources):
        raise SettingError(f"each system may be named once; {', '.join(map(str, sources))} came.")
    short = [path.resolve().name if path.is_dir() else path.stem for path in sources]
    names = [name if short.count(name) == 1 else str(path) for name, path in zip(short, sources, strict=True)]
    return {name: Predictions.read_csv(_file_of(path)) for name, path in zip(names, sources, strict=True)}


def _file_of(path: Path) -> Path:
    """The predictions of a run's last stage, with a word on what else to know; a file is itself."""
    if not path.is_dir():
        if not path.exists():
            raise ModelError(f"{path} does not exist; name a run folder, or a CSV that tinyscene evaluate has written.")
        if path.is_file():  # a pipe can be read once
            _text(path)
        return path
    facts = _evaluation(path)
    for weights in sorted(path.glob("*/weights.pt")):
        if weights.parent.name not in facts["stages"]:
            typer.echo(
                f"note: {path} is taken at its stage {facts['stage']}; the stage {weights.parent.name} was not "
                f"measured: {command('evaluate', path)}",
                err=True,
            )
    if "no measure" in str(facts["data"]["split"]):  # trained on the test clips too
        typer.echo(f"note: {path}: {facts['data']['split']}", err=True)
    return path / str(facts["predictions"])


def _text(path: Path) -> None:
    """Refuse what is no text before its bytes are told as columns."""
    try:
        with path.open("rb") as file:
            begin = file.read(1_000)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}. Name a file that may be read.") from None
    if any(byte < 32 and byte not in b"\t\n\r" for byte in begin):
        raise ModelError(f"{path} is no text; name a run folder, or a CSV that tinyscene evaluate has written.")


def _evaluation(run: Path) -> dict[str, Any]:
    path = run / "evaluation.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        _ = facts["predictions"], facts["stage"], facts["stages"], facts["data"]["split"]
    except OSError:
        raise ModelError(f"{run} has no evaluation.json; measure it first: {command('evaluate', run)}") from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{path} cannot be read; write it anew: {command('evaluate', run)}") from None
    return facts


def _held_out_of(run: Path) -> Predictions:
    """What the stage whose predictions are taken says of the training clips that it held out."""
    from ..pipeline import finished_stages
    from ..pipeline.evaluating import held_out_predictions
    from .run_verbs import opened as opened_run

    prepared, _ = opened_run(run)
    name = str(_evaluation(run)["stage"]).removesuffix("+tta")
    stages = {own.name: own for own in finished_stages(prepared, run)}
    if name not in stages:
        raise ModelError(
            f"{run} has no weights of its stage {name} any more; measure it anew: {command('evaluate', run)}"
        )
    return held_out_predictions(prepared, run, stages[name])


def _apart(read: list[Path], written: dict[str, tuple[Path | None, str]]) -> None:
    """Refuse other endings, to write over what is read or two things to one place, and where nothing can be written."""
    taken = {path.resolve(): str(path) for path in read}
    for option, (path, ending) in written.items():
        if path is None:
            continue
        if path.suffix.lower() != ending:
            raise SettingError(f"{option} takes the name of a {ending} to write; {path} came.")
        if path.resolve() in taken:
            raise SettingError(f"{option} takes another place than {taken[path.resolve()]}; {path} came.")
        taken[path.resolve()] = option
        if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            why = "it is a folder" if path.is_dir() else f"{path.parent} is no folder that may be written"
            raise OutputError(f"{path} cannot be written: {why}. Choose another place for {option}.")


VERBS = (compare, ensemble, calibrate)
