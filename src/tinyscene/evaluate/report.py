"""write_report: one folder with a page to read, a file for programs, tables and pictures. Whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import OutputError
from .complexity_picture import draw_complexity
from .limits import check_limits
from .pictures import draw_confusion, draw_curves
from .report_page import last_stage, page

FORMAT = "tinyscene report 1"
FILES = frozenset(
    ["index.html", "report.json", "confusion.png", "curves.png", "complexity.png"]
    + [f"{name}.csv" for name in ("per_class", "per_device", "per_city", "confusion")]
)


def write_report(folder: str | Path, facts: Mapping[str, Any]) -> Path:
    """Writes index.html (self-contained: it can be mailed alone), report.json, CSV tables and PNG pictures.

    facts, every part optional but the first:
      title      name of the run; system, created: texts
      data       {name, n_train, n_test, classes, synthetic, ...}
      run        {seed, command, versions: {...}, machine, settings: {...}}
      stages     {stage: what `measure` returned}, in order; the last one is the headline
      complexity {stage: what `count_complexity` returned}
      journal    {stage: [{epoch, loss, accuracy, validation_accuracy, validation_log_loss, lr, seconds}, ...]}
      claims     [{figure, published, reached, source, why}]
      notes      [text]

    Returns the path of index.html. The files are made in a folder beside and swapped in; an earlier report in `folder`
    is replaced, a folder that holds anything else is refused. OutputError if it cannot be written.
    """
    folder = Path(folder)
    plain_facts = plain(facts)
    files = _render(plain_facts)
    target = folder.resolve()
    _refuse_strangers(target)
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.new")
    try:
        fresh.mkdir(parents=True)
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        _swap(fresh, target)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise OutputError(
            f"cannot write the report to {folder}: {error.strerror or error}. Choose a folder you may write to"
        ) from error
    return folder / "index.html"


def plain(value: Any) -> Any:
    """The same facts in JSON's own types: numpy numbers unpacked, paths as text, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    # file names that are not valid UTF-8 carry lone surrogates, which no output encoding takes
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _render(facts: dict[str, Any]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    dark: dict[str, bytes] = {}
    stages = facts.get("stages") or {}
    last = stages[list(stages)[-1]] if stages else {}
    if confusion := last.get("confusion"):
        labels, matrix = confusion["labels"], confusion["matrix"]
        files["confusion.png"] = draw_confusion(labels, matrix)
        dark["confusion.png"] = draw_confusion(labels, matrix, dark=True)
        files["confusion.csv"] = _table(
            [["true \\ predicted", *labels], *([name, *row] for name, row in zip(labels, matrix, strict=True))]
        )
    if any((facts.get("journal") or {}).values()):
        files["curves.png"] = draw_curves(facts["journal"])
        dark["curves.png"] = draw_curves(facts["journal"], dark=True)
    stage, counts = last_stage(facts, "complexity")
    if counts.get("layers"):
        title = f"{stage}: where the work and the weights are"
        files["complexity.png"] = draw_complexity(title, counts)
        dark["complexity.png"] = draw_complexity(title, counts, dark=True)
    for name in ("class", "device", "city"):
        rows = [
            [
                stage,
                key,
                row["n"],
                row["accuracy"],
                *row["confidence_interval"],
                row.get("macro_accuracy"),
                row["log_loss"],
            ]
            for stage, figures in stages.items()
            for key, row in (figures.get(f"per_{name}") or {}).items()
        ]
        header = ["stage", name, "n", "accuracy", "accuracy_low", "accuracy_high", "macro_accuracy", "log_loss"]
        if name == "class":  # within one class the mean of class recalls is its recall
            header, rows = [h for h in header if h != "macro_accuracy"], [row[:6] + row[7:] for row in rows]
        if rows:
            files[f"per_{name}.csv"] = _table([header, *rows])
    complexity = {stage: check_limits(counts) for stage, counts in (facts.get("complexity") or {}).items()}
    record = {"format": FORMAT} | facts | {"limits": complexity}
    files["report.json"] = (json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    pictures = {name: (files[name], dark[name]) for name in dark}
    files["index.html"] = page(facts, complexity, pictures).encode()
    return files


def _table(rows: Sequence[Sequence[Any]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode()


def _refuse_strangers(folder: Path) -> None:
    """Swapping removes what lies in the folder, so only an empty folder or an earlier report may stand there."""
    try:
        if not folder.exists():
            return
        inside = {entry.name for entry in folder.iterdir()}
        earlier = not inside or (
            inside <= FILES and json.loads((folder / "report.json").read_bytes()).get("format") == FORMAT
        )
    except (OSError, ValueError, AttributeError) as error:
        raise OutputError(
            f"cannot write the report to {folder}: it is no folder with an earlier report ({error}). "
            f"Choose a new or empty folder"
        ) from error
    if not earlier:
        strangers = sorted(inside - FILES) or sorted(inside)
        raise OutputError(
            f"the report folder {folder} holds other files ({', '.join(strangers[:3])}), which a report would replace. "
            f"Choose a new or empty folder"
        )


def _swap(fresh: Path, target: Path) -> None:
    """`fresh` takes the place of `target`; if that fails, the old one stands where it stood."""
    if not target.exists():
        os.rename(fresh, target)
        return
    old = fresh.with_suffix(".old")
    os.rename(target, old)
    try:
        os.rename(fresh, target)
    except OSError:
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
