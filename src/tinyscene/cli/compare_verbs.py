"""Verbs about several systems on the same files: compare, ensemble."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ModelError, SettingError

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
    found = compared(opened(sources), seed)
    for path, written in ((markdown, as_markdown), (latex, as_latex)):
        if path is not None:
            write_whole(path, written(found))
            typer.echo(f"tables: {path}", err=True)
    print(json.dumps(found, indent=1, ensure_ascii=False) if as_json else as_text(found), end="\n" if as_json else "")
    typer.echo("next: tinyscene ensemble --help", err=True)


def ensemble(
    sources: Sources,
    out: Annotated[Path, typer.Option(help="CSV to write: what they say together.", show_default=False)],
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            "--held-out", metavar="FILE.csv", help="Predictions to fit the rule on, one a system, in the same order."
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
    fitted_on = held_out or []
    if rule == "mean" and fitted_on:
        raise SettingError("the rule 'mean' fits nothing; leave --held-out away, or choose another --rule.")
    if rule != "mean" and len(fitted_on) != len(sources):
        raise SettingError(
            f"the rule '{rule}' takes --held-out once for each of {len(sources)} systems, in their order; "
            f"{len(fitted_on)} came."
        )
    systems = opened(sources)
    matched = aligned(systems)
    fitted = fit_ensemble(rule, aligned(opened(fitted_on)) if fitted_on else matched)
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
        words = " ".join(map(str, sources))
        typer.echo(f"next: tinyscene compare {out} {words}", err=True)


def opened(sources: list[Path]) -> dict[str, Predictions]:
    """Predictions under short names: the folder of a run, the stem of a file; the whole path where two are the same."""
    from ..evaluate import Predictions

    if len({path.resolve() for path in sources}) < len(sources):
        raise SettingError(f"each system may be named once; {', '.join(map(str, sources))} came.")
    short = [path.resolve().name if path.is_dir() else path.stem for path in sources]
    names = [name if short.count(name) == 1 else str(path) for name, path in zip(short, sources, strict=True)]
    return {name: Predictions.read_csv(_file_of(path)) for name, path in zip(names, sources, strict=True)}


def _file_of(path: Path) -> Path:
    """The predictions of a run's last stage; a file is itself."""
    if not path.is_dir():
        return path
    try:
        stage = json.loads((path / "evaluation.json").read_text(encoding="utf-8"))["stage"]
    except OSError:
        raise ModelError(f"{path} has no evaluation.json; measure it first: tinyscene evaluate {path}") from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(
            f"{path / 'evaluation.json'} cannot be read; write it anew: tinyscene evaluate {path}"
        ) from None
    return path / str(stage) / "predictions.csv"


VERBS = (compare, ensemble)
