"""What the verbs that train show while they work: progress on stderr, tables on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from .words import counted


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar titled `title`; call what it gives with (done, all). It appears at the first call, on a terminal only."""
    bar = Progress(
        TextColumn(f"[bold]{title}[/bold]"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    task = bar.add_task("", total=None)
    started = False

    def report(done: int, total: int) -> None:
        nonlocal started
        if not started and bar.console.is_terminal:
            bar.start()
            started = True
        bar.update(task, completed=done, total=total)

    try:
        yield report
    finally:
        if started:  # without a terminal rich would print an empty line
            bar.stop()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", right: bool = True) -> None:
    """A plain table on stdout; the first column is text, the others are set right unless they are text too."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i and right else "left", no_wrap=i == 0)
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe or a file has no width that words would have to fit
        console = Console(highlight=False, width=240)
    if title:
        console.print(title, style="italic")
    console.print(table)


def figures_table(result: Mapping[str, Any]) -> None:
    """Stages and exported files of an evaluation side by side."""
    rows = []
    for name, figures in (*result["stages"].items(), *result["exported"].items()):
        counts = result["complexity"].get(name, {})
        low, high = figures["confidence_interval"]["accuracy"]
        rows.append(
            (
                name,
                f"{100 * figures['accuracy']:.1f} %",
                f"{100 * low:.1f}-{100 * high:.1f}",
                f"{100 * figures['macro_accuracy']:.1f} %",
                f"{figures['log_loss']:.3f}",
                f"{counts['bytes']:,}" if counts else "",
                f"{counts['macs_per_s']:,}" if counts else "",
            )
        )
    n, split = result["data"]["n_test"], result["data"]["split"]
    title = f"{result['system']} on {result['data']['name']}, {counted(n, 'test clip')}, {split}"
    if result["data"]["synthetic"]:
        title += " (SYNTHETIC data)"
    print_table(("stage", "accuracy", "95 %", "macro", "log loss", "bytes", "MACs/s"), rows, title)
