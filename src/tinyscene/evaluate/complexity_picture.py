"""Where a network's multiply-accumulates and bytes go, as one PNG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .complexity import blocks
from .pictures import new_figure, png_bytes

MOST_ROWS = 24


def draw_complexity(title: str, counts: Mapping[str, Any], dark: bool = False) -> bytes:
    """PNG of two rows of bars, a bar for each block of layers from input to output: multiply-accumulates, and bytes.

    counts: with "layers", as `count_complexity` and `count_onnx` give them. Blocks are layers put together by the
    beginning of their names, where there are more than 24.
    """
    rows = blocks(counts["layers"], MOST_ROWS)
    figure, ink, _ = new_figure(9.2, 1.1 + 0.27 * len(rows), dark)
    panels = figure.subplots(1, 2, sharey=True, gridspec_kw={"wspace": 0.08})
    colours = ("#5fb8d8", "#e0a458") if dark else ("#0b6a94", "#b8701c")
    figure.suptitle(title, color=ink, fontsize=12, parse_math=False)
    for axes, key, what, colour in zip(panels, ("macs", "bytes"), ("MACs", "bytes"), colours, strict=True):
        values = [row[key] for row in rows]
        total = sum(values)
        bars = axes.barh([row["name"] for row in rows], values, color=colour, height=0.72)
        shares = [f"{100 * value / total:.1f} %" if total and value >= total / 1000 else "" for value in values]
        axes.bar_label(bars, shares, padding=3, color=ink, fontsize=8)
        axes.set_title(f"{total:,} {what}", color=ink, fontsize=10)
        axes.set_xlim(0, 1.16 * max([*values, 1]))
        axes.xaxis.set_major_formatter(_short)
        axes.set_facecolor("none")
        axes.tick_params(colors=ink, labelsize=8.5, length=0)
        axes.grid(axis="x", color=ink, alpha=0.15, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
    panels[0].invert_yaxis()  # the input on top; both panels share it
    for label in panels[0].get_yticklabels():
        label.set_parse_math(False)
    return png_bytes(figure)


def _short(value: float, _: object) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"
