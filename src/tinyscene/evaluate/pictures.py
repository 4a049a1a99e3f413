"""The two pictures of a report as PNG bytes: confusion matrix and learning curves, each for a light or a dark page."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_NUMBERED = 20  # classes; above it the cells are too small for a figure
MAX_LETTERS = 22  # of a class name on an axis


def draw_confusion(labels: Sequence[str], matrix: Sequence[Sequence[int]], dark: bool = False) -> bytes:
    """PNG of a confusion matrix; rows are true classes and each row is shown in percent of its files.

    labels: (class,); matrix: (class, class) counts. Percentages are printed up to 20 classes.
    """
    from matplotlib.colors import LinearSegmentedColormap

    count = np.asarray(matrix, dtype=np.float64)
    share = 100 * count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    n = len(labels)
    side = min(4.2 + 0.36 * n, 14.0)
    figure, ink, paper = new_figure(side + 0.6, side, dark)
    axes = figure.add_subplot()
    colours = LinearSegmentedColormap.from_list("share", ["#1b2230", "#5fb8d8"] if dark else ["#f4f7fa", "#0b5c80"])
    image = axes.imshow(share, cmap=colours, vmin=0, vmax=100)
    names = [_short(label) for label in labels]
    size = max(4.0, min(9.0, 40 * side / n))  # points; a cell is some 55 * side / n high
    # parse_math=False: a '$' in a class name is a dollar, not TeX
    axes.set_xticks(
        range(n),
        names,
        rotation=50 if n <= MAX_NUMBERED else 90,
        ha="right",
        rotation_mode="anchor",
        fontsize=size,
        parse_math=False,
    )
    axes.set_yticks(range(n), names, fontsize=size, parse_math=False)
    axes.set_xlabel("answer of the system", color=ink)
    axes.set_ylabel("true class", color=ink)
    axes.tick_params(length=0, colors=ink)
    axes.spines[:].set_visible(False)
    if n <= MAX_NUMBERED:
        axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=paper, linewidth=1.5)
        axes.tick_params(which="minor", length=0)
        for row, column in np.argwhere(count > 0):
            value = share[row, column]
            colour = ("#0b1118" if value > 62 else "#e7ecf2") if dark else ("#ffffff" if value > 45 else "#17202b")
            text = "<1" if value < 0.5 else f"{value:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    else:  # the colours need a scale only where no figure stands in the cells
        bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02)
        bar.set_label("% of the true class", color=ink)
        bar.ax.tick_params(colors=ink, length=0)
    return png_bytes(figure)


def draw_curves(journal: Mapping[str, Sequence[Mapping[str, Any]]], dark: bool = False) -> bytes:
    """PNG of learning curves, one row of axes per stage: losses on the left, accuracies on the right, over epochs.

    journal: stage -> entries with epoch and any of loss, validation_log_loss, accuracy, validation_accuracy; an entry
    may lack a figure (None or absent), the line then passes it over.
    """
    stages = [(stage, entries) for stage, entries in journal.items() if entries]
    figure, ink, _ = new_figure(9.2, 0.5 + 2.7 * max(1, len(stages)), dark)
    train, validation = ("#9aa7b5", "#5fb8d8") if dark else ("#8793a0", "#0b6a94")
    grid = figure.subplots(max(1, len(stages)), 2, squeeze=False, gridspec_kw={"hspace": 0.32, "wspace": 0.2})
    for (left, right), (stage, entries) in zip(grid, stages, strict=False):
        _lines(left, entries, [("loss", "training loss", train), ("validation_log_loss", "validation", validation)])
        _lines(right, entries, [("accuracy", "training", train), ("validation_accuracy", "validation", validation)])
        for axes, what in ((left, "loss"), (right, "accuracy")):
            axes.set_title(f"{_short(stage)}: {what}", loc="left", color=ink, fontsize=10, parse_math=False)
            axes.set_facecolor("none")
            axes.tick_params(colors=ink, labelsize=8.5)
            axes.grid(color=ink, alpha=0.15, linewidth=0.7)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color(ink)
            axes.xaxis.get_major_locator().set_params(integer=True)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(frameon=False, labelcolor=ink, fontsize=8.5)
        right.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    for axes in grid[-1]:
        axes.set_xlabel("epoch", color=ink, fontsize=9)
    return png_bytes(figure)


def _lines(axes: Axes, entries: Sequence[Mapping[str, Any]], wanted: Sequence[tuple[str, str, str]]) -> None:
    for key, label, colour in wanted:
        points = [(entry.get("epoch", i), entry[key]) for i, entry in enumerate(entries) if entry.get(key) is not None]
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, color=colour, label=label, linewidth=1.8, marker="o" if len(points) < 3 else "")


def new_figure(width: float, height: float, dark: bool) -> tuple[Figure, str, str]:
    """A figure of its own (inches), outside pyplot's global state; with it the colours of its text and its page."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ink, paper = ("#d5dce4", "#171d26") if dark else ("#2b3541", "#ffffff")
    figure = Figure(figsize=(width, height), dpi=130, facecolor=paper)
    FigureCanvasAgg(figure)
    return figure, ink, paper


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG file, cut to what is drawn."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # a class name in a script the font lacks draws as boxes; the tables beside the picture have it in full
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(stream, format="png", bbox_inches="tight", metadata={"Software": None})
    return stream.getvalue()


def _short(name: str) -> str:
    name = " ".join(name.split())  # a line break would tear the axis
    return name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "…"
