"""Numbers, bars and tables of the report page as HTML. What comes in as text is escaped here or by the caller, once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

NOTHING = "\N{EN DASH}"


def percent(share: float | None, digits: int = 1) -> str:
    """0..1 as per cent."""
    return NOTHING if share is None else f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def number(value: float | None) -> str:
    """Three digits behind the point."""
    return NOTHING if value is None else f"{value:.3f}"


def count(value: float | None) -> str:
    """A count with a thin space between thousands, so that 128 000 and 1 280 000 are told apart at a glance."""
    return NOTHING if value is None else f"{round(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def span(interval: Sequence[float] | None) -> str:
    """[low, high] in 0..1 as 'low to high %'."""
    return NOTHING if not interval else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}\N{NO-BREAK SPACE}%"


def bits(value: Any) -> str:
    """Any fact as escaped text: lists by commas, mappings as 'name: value', true and false as yes and no."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{escape(str(key))}: {bits(item)}" for key, item in value.items()) or NOTHING
    if isinstance(value, (list, tuple)):
        return ", ".join(bits(item) for item in value) or NOTHING
    return escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def bar(share: float, interval: Sequence[float] | None = None, over: bool = False) -> str:
    """A bar of 0..1 of its cell (a longer one is cut at the end) with an interval drawn as a whisker."""
    whisker = ""
    if interval:
        low, high = (100 * min(1.0, max(0.0, value)) for value in interval)
        whisker = f'<u style="left:{low:.2f}%;width:{high - low:.2f}%"></u>'
    name = "bar over" if over else "bar"
    return f'<div class="{name}"><i style="width:{100 * min(1.0, max(0.0, share)):.2f}%"></i>{whisker}</div>'


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Collection[int] = (),
    plot: int | None = None,
    wrap: int | None = None,
) -> str:
    """An HTML table that scrolls sideways by itself. Cells are HTML; first column and `left` ones are text columns."""
    kind = [
        " ".join(["left"] * (i in left) + ["plot"] * (i == plot) + ["wrap"] * (i == wrap)) for i in range(len(header))
    ]
    mark = [f' class="{names}"' if names else "" for names in kind]
    head = "".join(f"<th{m}>{cell}</th>" for m, cell in zip(mark, header, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{m}>{cell}</td>" for m, cell in zip(mark, row, strict=True)) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def figures_table(split: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """per_class, per_device or per_city of `measure` as bars; the mean over classes where the split has it."""
    macro = any("macro_accuracy" in row for row in split.values())
    header = [name.capitalize(), "", "Accuracy", "95 % interval", *(["Macro"] if macro else []), "Log loss", "Files"]
    rows = [
        [
            escape(key),
            bar(row["accuracy"], row["confidence_interval"]),
            percent(row["accuracy"]),
            span(row["confidence_interval"]),
            *([percent(row.get("macro_accuracy"))] if macro else []),
            number(row["log_loss"]),
            count(row["n"]),
        ]
        for key, row in split.items()
    ]
    return table(header, rows, plot=1)
