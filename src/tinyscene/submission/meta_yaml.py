"""The meta file of a system: filled from the run, completed by a small author file, held to what each year requires.

The author file has the shape of the meta file and holds what no run knows: authors, names, links. What it says goes
before what the run says, so that any field can be put right there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..evaluate.limits import check_limits
from .meta_check import check_meta, is_number
from .years import Edition

Block = Mapping[str, Any]

MAX_BYTES = 1_000_000
# Field of the meta file -> our count (evaluate.complexity.MEANING); sizes in KB are KiB, as the Keras counter shows
COUNTS = {
    "total_parameters": "parameters",
    "total_parameters_non_zero": "parameters_nonzero",
    "total_model_size": "bytes",
    "memory_use": "bytes",
    "macs": "macs_per_s",
}
KIB = {"2020b": "bytes_nonzero_2020", "2021a": "bytes_nonzero"}
NOT_MEASURED = (
    "energy_consumption is null: it was not measured. Measure training and inference in kWh: tinyscene train and "
    "evaluate with --energy; the organisers' baseline on the same hardware goes into the author file."
)


def read_author_file(path: Path) -> dict[str, Any]:
    """The author file: a mapping.

    Raises:
        DataError: not there, no YAML, or no mapping.
    """
    try:
        return load_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"the author file {path} cannot be read: {error.strerror}.") from None


def load_yaml(data: bytes, name: str) -> dict[str, Any]:
    """Plain values of a small YAML mapping; never code.

    Raises:
        DataError: too large, no YAML, or no mapping.
    """
    import yaml

    if len(data) > MAX_BYTES:
        raise DataError(f"{name} has {len(data):,} bytes; a meta file has at most {MAX_BYTES:,}.")
    try:
        content = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        cause = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise DataError(f"{name}{where} is no YAML: {cause}.") from None
    if not isinstance(content, dict):
        raise DataError(f"{name} must hold blocks such as 'submission:'; it holds {type(content).__name__}.")
    return content


def build_meta(
    edition: Edition,
    label: str,
    author: Block,
    description: Block,
    complexity: Block,
    results: Mapping[str, Block],
) -> dict[str, Any]:
    """The meta file as nested plain values.

    description: as `describe` gives it. complexity: counts under the keys of evaluate.complexity.MEANING.
    results: dicts of evaluate.measure for each block of the edition, under '' where there is one.

    Raises:
        DataError: naming every field that is missing or wrong, and where to put it.
    """
    figures = {block: _results(edition, results[block]) for block in edition.results or ("",) if block in results}
    run: dict[str, Any] = {
        "submission": {"label": label},
        "system": {
            "description": {key: description[key] for key in _described(edition) if key in description},
            "complexity": _complexity(edition, complexity),
            "external_datasets": [],
        },
        "results": {"development_dataset": figures if edition.results else figures.get("", {})},
    }
    if edition.energy:
        run["system"]["energy_consumption"] = dict.fromkeys(edition.energy)
    meta = _merged(run, author)
    problems = check_meta(meta, edition, label)
    if problems:
        raise DataError(
            f"the meta file of {label} is not complete. Put what is missing into the author file, which has the same "
            "shape, and run again:\n  " + "\n  ".join(problems)
        )
    return meta


def meta_text(meta: Block, edition: Edition, notes: Sequence[str] = ()) -> str:
    """The file; its first lines are `notes`, and say so where energy was not measured."""
    import yaml

    more = [NOT_MEASURED] if unmeasured(meta, edition) else []
    comments = "".join(f"# {note}\n" for note in (*notes, *more))
    return comments + yaml.safe_dump(dict(meta), sort_keys=False, allow_unicode=True, width=120)


def unmeasured(meta: Block, edition: Edition) -> bool:
    """Whether the edition asks for energy and some of it is null."""
    return any(meta["system"]["energy_consumption"].get(key) is None for key in edition.energy)


def limit_counts(meta: Block, edition: Edition) -> dict[str, Any]:
    """The counts of a meta file under the names that evaluate.check_limits knows."""
    complexity = meta["system"]["complexity"]
    counts: dict[str, Any] = {}
    for key, value in complexity.items():
        if key in COUNTS and is_number(value):  # of two fields for one count the larger
            counts[COUNTS[key]] = max(value, counts.get(COUNTS[key], 0))
    size = complexity.get("model_size")
    if edition.year in KIB and is_number(size):
        counts[KIB[edition.year]] = size * 1024
    return counts


def limit_problems(counts: Block, edition: Edition) -> list[str]:
    """The limits of the year that one model's counts exceed."""
    return [
        f"{row['value']:,.0f} {row['unit']} exceed the limit of {row['limit']:,}: {row['rule']}"
        for row in check_limits(counts)
        if row["year"] in edition.limits and row["ok"] is False
    ]


def _described(edition: Edition) -> tuple[str, ...]:
    return (edition.description[0], "input_channels", *edition.description[1:])


def _complexity(edition: Edition, counts: Block) -> dict[str, Any]:
    found = {}
    for key in (*edition.complexity, *edition.complexity_more):
        if key == "model_size" and counts.get(KIB[edition.year]) is not None:
            found[key] = math.ceil(counts[KIB[edition.year]] / 1024 * 100) / 100  # never below what counts
        elif counts.get(COUNTS.get(key, "")) is not None:
            found[key] = counts[COUNTS[key]]
    return found


def _results(edition: Edition, measured: Block) -> dict[str, Any]:
    """Accuracies in per cent, of classes on average, as the organisers' tables have them."""

    def row(accuracy: float, loss: float) -> dict[str, float]:
        return {"accuracy": round(100 * accuracy, 2), "logloss": round(loss, 4)}

    figures: dict[str, Any] = {"overall": row(measured["macro_accuracy"], measured[edition.overall_loss])}
    classes, devices = measured["per_class"], measured["per_device"]
    figures["class_wise"] = {
        name: row(classes[name]["accuracy"], classes[name]["log_loss"]) for name in edition.classes if name in classes
    }
    if edition.devices:
        figures["device_wise"] = {
            name: row(devices[name][edition.device_accuracy], devices[name]["log_loss"])
            for name in edition.devices
            if name in devices
        }
    return figures


def _merged(run: Any, author: Any) -> Any:
    if not (isinstance(run, Mapping) and isinstance(author, Mapping)):
        return author
    keys = [*run, *(key for key in author if key not in run)]
    return {key: _merged(run.get(key), author.get(key, run.get(key))) for key in keys}
