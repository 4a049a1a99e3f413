"""A report's filled tables as text, Markdown, CSV and one HTML page."""

from __future__ import annotations

import csv
import io
import re
from html import escape

from .report_page import POLICY
from .report_rows import NOTHING, table
from .report_style import STYLE
from .report_tables import Cell, Filled, FilledTable

WIDE = 10_000  # columns: what a pipe or a file takes
CSV_COLUMNS = ("kind", "table", "row", "column", "published", "reached", "unit", "deviation", "seeds", "data",
               "synthetic", "epochs_scale")  # fmt: skip
MORE_STYLE = """
main{max-width:84rem}
thead th{white-space:normal;vertical-align:bottom}
.heat{display:block;margin:-.2rem -.4rem;padding:.2rem .4rem;border-radius:4px;
background:color-mix(in srgb,var(--bar) calc(.7*var(--share)),transparent)}
h2 small{font-weight:400;font-size:.85rem}
"""


def as_text(filled: Filled, width: int | None = None) -> str:
    """For a terminal of `width` columns; None: each table as wide as it is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    stream = io.StringIO()
    console = Console(file=stream, width=width or WIDE, color_system=None)
    for line in (filled.title, filled.about, *filled.warnings):
        console.print(Text(_one_line(line)))
    for one in filled.tables:
        console.print()
        console.print(Text(_one_line(f"{_heading(one)} ({_legend(filled, one)})")))
        if one.columns:
            grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
            grid.add_column(Text(_one_line(one.corner)))
            for column in one.columns:
                grid.add_column(Text(_one_line(column)), justify="right")
            for title, cells in one.rows:
                grid.add_row(*(Text(_one_line(text)) for text in (title, *(_shown(cell, one) for cell in cells))))
            console.print(grid)
        for note in one.notes:
            console.print(Text(_one_line(note)))
    for note in ("", *filled.notes):
        console.print(Text(_one_line(note)))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().split("\n")) + "\n"


def as_markdown(filled: Filled) -> str:
    """Headings, tables and notes; what stands in a name is shown as it is."""
    parts = [f"# {_escaped(filled.title)}", _escaped(filled.about)]
    parts += [f"**{_escaped(warning)}**" for warning in filled.warnings]
    for one in filled.tables:
        parts += [f"## {_escaped(_heading(one))}", f"Cells: {_escaped(_legend(filled, one))}."]
        if one.columns:
            lines = [[one.corner, *one.columns]]
            lines += [[title, *(_shown(cell, one) for cell in cells)] for title, cells in one.rows]
            made = ["| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines]
            made.insert(1, "| " + " | ".join(["---", *["---:"] * len(one.columns)]) + " |")
            parts.append("\n".join(made))
        parts += [f"- {_escaped(note)}" for note in one.notes]
    parts += [f"- {_escaped(note)}" for note in filled.notes]
    return "\n\n".join(parts) + "\n"


def as_csv(filled: Filled) -> str:
    """A line for each cell, so that no figure goes without its data: `published` as printed, `reached` a number.

    `reached` is the mean over `seeds` and `deviation` their standard deviation, both in `unit`; empty where nothing
    was reached. `kind` is report, own or confusion.
    """
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(CSV_COLUMNS)
    data = (filled.data, "yes" if filled.synthetic else "no", f"{filled.epochs_scale:g}")
    for one in filled.tables:
        for title, cells in one.rows:
            for column, cell in zip(one.columns, cells, strict=True):
                reached, deviation = ("" if x is None else f"{x:.10g}" for x in (cell.reached, cell.deviation))
                place = (one.kind, _heading(one), title, column)
                seeds = len(cell.values) or ""
                lines.writerow((*place, cell.published, reached, cell.unit, deviation, seeds, *data))
    return stream.getvalue()


def as_html(filled: Filled) -> str:
    """One page without scripts and without a request to anywhere, light and dark."""
    title = escape(filled.title)
    notes = "".join(f"<li>{escape(note)}</li>" for note in filled.notes)
    sections = "\n".join(_section(filled, one) for one in filled.tables)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}{MORE_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<header><h1>{title}</h1><div class="soft">{escape(filled.about)}</div></header>\n'
        + "".join(f'<div class="note">{escape(warning)}</div>\n' for warning in filled.warnings)
        + sections
        + (f"\n<section><h2>Notes</h2><ul>{notes}</ul></section>" if notes else "")
        + "\n<footer>Written by tinyscene.</footer>\n</main>\n</body>\n</html>\n"
    )


def _section(filled: Filled, one: FilledTable) -> str:
    rows = [[escape(title), *(_cell(cell, one) for cell in cells)] for title, cells in one.rows]
    # a long name of a class may break where it has a stroke
    header = [escape(name).replace("_", "_<wbr>") for name in (one.corner, *one.columns)]
    made = table(header, rows) if one.columns else ""
    source = f' <small class="soft">{escape(one.source)}</small>'
    legend = f'<p class="hint">Cells: {escape(_legend(filled, one))}.</p>'
    notes = "".join(f'<p class="hint">{escape(note)}</p>' for note in one.notes)
    return f"<section><h2>{escape(one.title)}{source}</h2>{legend}{made}{notes}</section>"


def _cell(cell: Cell, one: FilledTable) -> str:
    if one.kind == "confusion" and cell.reached is not None:
        return f'<span class="heat" style="--share:{cell.reached:.1f}%">{escape(cell.reached_text)}</span>'
    if one.kind != "report" or not cell.reached_text:
        return escape(_shown(cell, one))
    strong = "strong" if cell.values else 'span class="soft"'
    reached = f"<{strong}>{escape(cell.reached_text)}</{strong.split()[0]}>"
    return f'<span class="soft">{escape(cell.published) or NOTHING}</span> / {reached}'


def _shown(cell: Cell, one: FilledTable) -> str:
    if one.kind != "report" or not cell.reached_text:
        return cell.reached_text or cell.published or NOTHING
    return f"{cell.published or NOTHING} / {cell.reached_text}"


def _heading(one: FilledTable) -> str:
    return one.title if one.kind == "own" else f"{one.source}: {one.title}"


def _legend(filled: Filled, one: FilledTable) -> str:
    """Stands at every table: one that is copied from here keeps it."""
    if not filled.data:
        return "published / reached"
    words = {"report": "published / reached", "own": "reached", "confusion": "per cent reached"}[one.kind]
    epochs = "" if filled.epochs_scale == 1 else f", epochs x {filled.epochs_scale:g}"
    return f"{words} on {filled.data}{' (SYNTHETIC)' if filled.synthetic else ''}{epochs}"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~&$])", r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
