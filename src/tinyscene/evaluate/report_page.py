"""The report page: one HTML file without scripts and without a request to anywhere. A part without data is left out."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from .report_rows import bar, bits, count, figures_table, number, percent, span, table
from .report_style import STYLE

Facts = Mapping[str, Any]
# images only from the page itself; nothing else may be fetched or run, whatever a label contains
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

MARKS = {
    True: '<span class="pass">✓ pass</span>',
    False: '<span class="over-text">✗ over</span>',
    None: '<span class="soft">? not known</span>',
}
THIN_LINE = "The thin line is the 95 % interval if the files were independent; clips of one recording are not."


def page(facts: Facts, limits: Mapping[str, Sequence[Facts]], pictures: Mapping[str, tuple[bytes, bytes]]) -> str:
    """The page for `facts` (see write_report), limits checked per stage, and pictures as (light, dark) PNG bytes."""
    title = escape(str(facts.get("title") or "Report"))
    texts = (str(facts.get("system") or ""), _moment(str(facts.get("created") or "")))
    about = " · ".join(escape(text) for text in texts if text)
    parts = [
        _synthetic(facts),
        _headline(facts),
        _stages(facts),
        _split(facts, "per_class", "Classes", "class", "Share of each class's files that were found (recall)."),
        _devices(facts),
        _split(facts, "per_city", "Cities", "city", "Share of correct files of each city."),
        _picture(pictures, "confusion.png", "Confusion matrix", "Each row is one true class and sums to 100 %."),
        _curves(facts, pictures),
        _complexity(facts, limits, pictures),
        _claims(facts),
        _notes(facts),
        _run(facts),
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<header><h1>{title}</h1><div class="soft">{about}</div></header>\n'
        + "\n".join(part for part in parts if part)
        + "\n<footer>Written by tinyscene. The same figures are in report.json and the CSV files beside this page."
        "</footer>\n</main>\n</body>\n</html>\n"
    )


def last_stage(facts: Facts, part: str) -> tuple[str, Facts]:
    """Name and content of the last stage of facts[part]; ('', {}) where there is none."""
    stages = facts.get(part) or {}
    return next(reversed(stages.items())) if stages else ("", {})


def _section(title: str, hint: str, *content: str) -> str:
    about = f'<p class="hint">{hint}</p>' if hint else ""
    return f"<section><h2>{title}</h2>{about}{''.join(content)}</section>"


def _synthetic(facts: Facts) -> str:
    if not (facts.get("data") or {}).get("synthetic"):
        return ""
    return (
        '<div class="note"><strong>Synthetic data.</strong> These sounds were made by a program. '
        "The figures show that everything runs; they say nothing about real scenes.</div>"
    )


def _headline(facts: Facts) -> str:
    stage, figures = last_stage(facts, "stages")
    counted, counts = last_stage(facts, "complexity")
    of = f" (stage {escape(counted)})" if stage and counted != stage else ""
    cards: list[tuple[str, str, str]] = []
    if figures:
        low_high = span((figures.get("confidence_interval") or {}).get("macro_accuracy"))
        n_classes = len(figures["confusion"]["labels"])
        cards.append(("Macro accuracy", percent(figures["macro_accuracy"]), f"95\N{NO-BREAK SPACE}%: {low_high}"))
        cards.append(("Log loss", number(figures["log_loss"]), f"guessing would give {math.log(n_classes):.3f}"))
    if (size := counts.get("bytes")) is not None:
        cards.append(("Model size", f"{size / 1000:,.1f} kB", _share(size, 128_000, "128 kB") + of))
    if (macs := counts.get("macs_per_s")) is not None:
        cards.append(("MACs per second", f"{macs / 1e6:,.2f} M", _share(macs, 30_000_000, "30 M") + of))
    if not cards:
        return ""
    made = "".join(
        f'<div class="card"><span class="name">{name}</span><b>{value}</b><span>{about}</span></div>'
        for name, value, about in cards
    )
    data = facts.get("data") or {}
    where = f" on {count(figures['n'])} files" if figures else ""
    where += f" of {escape(str(data['name']))}" if where and data.get("name") else ""
    about = f'<p class="soft">Result of the last stage, <strong>{escape(stage)}</strong>{where}.</p>' if stage else ""
    return f'{about}<div class="cards">{made}</div>'


def _share(value: float, limit: int, name: str) -> str:
    """Against the limit of 2023 to 2025, the tightest of all years."""
    if value > limit:
        return f'<em class="over-text">✗ over the limit of {name}</em>'
    return f"{percent(value / limit, 0)} of the limit, {name}"


def _moment(created: str) -> str:
    """ISO time to the minute; any other text as it came."""
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return created
    return f"{moment:%Y-%m-%d %H:%M} {moment.tzname() or ''}".strip()


def _notes(facts: Facts) -> str:
    notes = facts.get("notes") or []
    return (
        _section("Notes", "", "<ul>" + "".join(f"<li>{escape(str(n))}</li>" for n in notes) + "</ul>") if notes else ""
    )


def _stages(facts: Facts) -> str:
    stages: Facts = facts.get("stages") or {}
    if not stages:
        return ""
    complexity: Facts = facts.get("complexity") or {}
    rows = []
    for name, figures in stages.items():
        interval = figures.get("confidence_interval") or {}
        size = (complexity.get(name) or {}).get("bytes")
        rows.append(
            [
                escape(name),
                percent(figures["accuracy"]),
                f"<strong>{percent(figures['macro_accuracy'])}</strong>",
                span(interval.get("macro_accuracy")),
                number(figures["log_loss"]),
                number(figures.get("macro_log_loss")),
                percent(figures.get("calibration_error")),
                count(size),
            ]
        )
    header = ["Stage", "Accuracy", "Macro", "95 % interval", "Log loss", "Macro log loss", "Calibration"]
    made = last_stage(facts, "stages")[1].get("bootstrap") or {}
    hint = (
        "Test figures after each stage, and of its files as the runtime decides. Macro figures are means over the "
        "classes; calibration is the expected error of the confidence. "
    )
    if made:
        hint += (
            f"Intervals resample {count(made['n_units'])} {escape(made['unit'])}s {count(made['n_resamples'])} times."
        )
    return _section("Stage by stage", hint, table([*header, "Bytes"], rows))


def _split(facts: Facts, key: str, title: str, name: str, hint: str) -> str:
    stage, figures = last_stage(facts, "stages")
    if not figures.get(key):
        return ""
    hint = f"{hint} Stage {escape(stage)}. {THIN_LINE}"
    return _section(title, hint, figures_table(figures[key], name))


def _devices(facts: Facts) -> str:
    stage, figures = last_stage(facts, "stages")
    if not figures.get("per_device"):
        return ""
    hint = f"Share of correct files of each recording device. Stage {escape(stage)}. {THIN_LINE}"
    content = [figures_table(figures["per_device"], "device")]
    if groups := figures.get("per_device_group"):
        content.append("<h3>Groups of devices</h3>")
        content.append(
            '<p class="hint">Real: a, b, c. Seen: simulated and in the training set (s1 to s3). '
            "Unseen: only in the test set (s4 and above, d).</p>"
        )
        content.append(figures_table(groups, "group"))
    return _section("Devices", hint, *content)


def _picture(pictures: Mapping[str, tuple[bytes, bytes]], name: str, title: str, hint: str, *more: str) -> str:
    made = _shown(pictures, name, title)
    return _section(title, hint, made, *more) if made else ""


def _shown(pictures: Mapping[str, tuple[bytes, bytes]], name: str, told: str) -> str:
    if name not in pictures:
        return ""
    light, dark = ("data:image/png;base64," + base64.b64encode(png).decode() for png in pictures[name])
    return (
        f'<div class="picture"><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{told}"></picture></div>'
    )


def _curves(facts: Facts, pictures: Mapping[str, tuple[bytes, bytes]]) -> str:
    lines = []
    for stage, entries in (facts.get("journal") or {}).items():
        if not entries:
            continue
        seconds = sum(entry.get("seconds") or 0 for entry in entries)
        scores = [(entry["validation_accuracy"], entry.get("epoch", i)) for i, entry in enumerate(entries)
                  if entry.get("validation_accuracy") is not None]  # fmt: skip
        best = max(scores, key=lambda score: score[0]) if scores else None
        lines.append(
            f"<li><strong>{escape(stage)}</strong>: {count(len(entries))} epoch{'s' if len(entries) > 1 else ''}"
            + (f", {_duration(seconds)}" if seconds else "")
            + (f", best validation accuracy {percent(best[0])} at epoch {best[1]}" if best else "")
            + "</li>"
        )
    return _picture(pictures, "curves.png", "Learning curves", "", f"<ul>{''.join(lines)}</ul>")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _complexity(
    facts: Facts, limits: Mapping[str, Sequence[Facts]], pictures: Mapping[str, tuple[bytes, bytes]]
) -> str:
    complexity: Facts = facts.get("complexity") or {}
    if not complexity:
        return ""
    names = {
        "parameters": "Parameters",
        "parameters_nonzero": "Non-zero",
        "parameters_keras": "As Keras counts",
        "bytes": "Bytes",
        "bytes_nonzero": "Non-zero bytes",
        "macs": "MACs per clip",
        "macs_per_s": "MACs per second",
        "macs_true": "Every product",
        "peak_activation_bytes": "Bytes of maps",
    }
    used = [key for key in names if any(counts.get(key) is not None for counts in complexity.values())]
    rows = [[escape(stage), *(count(counts.get(key)) for key in used)] for stage, counts in complexity.items()]
    stage, _ = last_stage(facts, "complexity")
    checked = [
        [
            escape(row["year"]),
            MARKS[row["ok"]],
            count(row["value"]),
            count(row["limit"]),
            bar((row["value"] or 0) / row["limit"], over=row["ok"] is False),
            escape(row["rule"]),
        ]
        for row in limits.get(stage, ())
    ]
    return _section(
        "Complexity",
        "MACs are multiply-accumulates of the network for one clip, and for one second of sound, as the official "
        "counter has them; every product: what a processor has to do; bytes of maps: the most they take at one time.",
        table(["Stage", *(names[key] for key in used)], rows),
        f"<h3>Against each year's limits: {escape(stage)}</h3>",
        '<div class="limits">'
        + table(["Task", "", "Value", "Limit", "Used", "What is limited"], checked, left=(1, 4, 5), plot=4, wrap=5)
        + "</div>",
        _shown(pictures, "complexity.png", "Multiply-accumulates and bytes of each block"),
    )


def _claims(facts: Facts) -> str:
    claims = facts.get("claims") or []
    rows = [
        [
            count(claim[key]) if type(claim.get(key)) is int else bits(claim.get(key))
            for key in ("figure", "published", "reached", "source", "why")
        ]
        for claim in claims
        if isinstance(claim, Mapping)
    ]
    header = ["Figure", "Published", "Reached here", "Source", "Why they differ"]
    return _section("Published and reached", "", table(header, rows, left=(3, 4), wrap=4)) if rows else ""


def _run(facts: Facts) -> str:
    data, run = facts.get("data") or {}, dict(facts.get("run") or {})
    command = run.pop("command", None)
    parts = [f"<h3>Command</h3><pre>{escape(str(command))}</pre>"] if command else []
    versions, settings = run.pop("versions", None), run.pop("settings", None)
    for title, values in (("Data", data), ("Run", run), ("Settings", settings), ("Versions", versions)):
        if values:
            pairs = values.items() if isinstance(values, Mapping) else [("", values)]
            body = "".join(f"<tr><th>{escape(str(k))}</th><td>{bits(v)}</td></tr>" for k, v in pairs)
            parts.append(f'<h3>{title}</h3><table class="facts"><tbody>{body}</tbody></table>')
    return _section("What was run", "", *parts) if parts else ""
