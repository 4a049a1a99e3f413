"""Systems side by side on the same files: figures with intervals, and paired tests, all by recording."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, within
from .ensembles import aligned
from .metrics import normalised
from .predictions import Predictions

FIGURES = ("accuracy", "macro_accuracy", "log_loss")
AT_ONCE = 2_000_000  # numbers drawn at once: 16 MB

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Table = tuple[Sequence[str], Sequence[Sequence[str]]]  # head, rows


def compare(
    predictions: Mapping[str, Predictions], seed: int = 0, n_bootstrap: int = 2000, n_permutations: int = 10_000
) -> dict[str, Any]:
    """Figures of each system and differences of each pair, as plain numbers that go into JSON as they are.

    `systems` holds for each name accuracy, macro_accuracy (0..1) and log_loss (nats), as of `measure`. `pairs` holds
    for each two names, first and second, `difference` = first - second, and `p_value`: how often a difference at least
    as far from 0 comes when, in each recording, chance decides which system gave which answers. It is exact where there
    are at most `n_permutations` ways to decide, else (1 + hits) / (1 + draws). The p-values are of single pairs, not
    corrected for their number.
    `confidence_interval` (95 %, percentiles) draws recordings with replacement, the same ones for all systems; null
    where there is one recording. Files of unknown recording stand alone.

    Raises:
        DataError: fewer than two systems, other files, class orders or labels, files without label.
        SettingError: a negative seed, or counts below 1.
    """
    within("compare.seed", seed, 0)
    within("compare.n_bootstrap", n_bootstrap, 1)
    within("compare.n_permutations", n_permutations, 1)
    if len(predictions) < 2:
        raise DataError(f"compare takes two systems or more; {len(predictions)} came.")
    systems = aligned(predictions)
    first, names = systems[0], list(predictions)
    if first.target.min() < 0:
        raise DataError(f"compare takes labelled files; {first.files[int(first.target.argmin())]} has no label.")
    groups = np.unique([name or f"\0{i}" for i, name in enumerate(first.recordings)], return_inverse=True)[1]
    files, hits, loss = _by_recording(systems, groups)
    reached = _figures(files.sum(0), hits.sum(0), loss.sum(0))
    pairs = list(combinations(range(len(names)), 2))
    one, other = (np.array(side) for side in zip(*pairs, strict=True))
    several = len(files) > 1
    drawn = _bootstrap(files, hits, loss, np.random.default_rng([seed, 0]), n_bootstrap) if several else None
    exact = len(files) < 63 and 2 ** len(files) <= n_permutations
    shares = _shares(files, hits[:, one] - hits[:, other], loss[:, one] - loss[:, other])
    p_values = _sign_flips(shares, exact, np.random.default_rng([seed, 1]), n_permutations)
    return {
        "n": len(first),
        "unit": "recording" if any(first.recordings) else "file",
        "n_units": len(files),
        "n_bootstrap": n_bootstrap,
        "n_permutations": 2 ** len(files) if exact else n_permutations,
        "exact": exact,
        "systems": {
            name: _named(reached[i]) | {"confidence_interval": _intervals(None if drawn is None else drawn[:, i])}
            for i, name in enumerate(names)
        },
        "pairs": [
            {
                "first": names[i],
                "second": names[j],
                "difference": _named(reached[i] - reached[j]),
                "confidence_interval": _intervals(None if drawn is None else drawn[:, i] - drawn[:, j]),
                "p_value": _named(p_values[k]),
            }
            for k, (i, j) in enumerate(pairs)
        ],
    }


def as_text(comparison: Mapping[str, Any]) -> str:
    """Both tables for a terminal, columns set with spaces."""
    parts = []
    for head, rows in _tables(comparison):
        cells = [[_one_line(cell) for cell in row] for row in (head, *rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = (
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            for row in cells
        )
        parts.append("\n".join("  ".join(line).rstrip() for line in lines))
    return "\n\n".join([*parts, _how(comparison)]) + "\n"


def as_markdown(comparison: Mapping[str, Any]) -> str:
    """Both tables in Markdown; what stands in a name is shown as it is."""
    parts = []
    for head, rows in _tables(comparison):
        rule = ["---", *["---:"] * (len(head) - 1)]
        lines = [_escaped_markdown(head), rule, *map(_escaped_markdown, rows)]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join([*parts, _how(comparison)]) + "\n"


def as_latex(comparison: Mapping[str, Any]) -> str:
    """Both tables as LaTeX tabulars that need no package; what stands in a name is shown as it is."""
    parts = []
    for head, rows in _tables(comparison):
        lines = [" & ".join(map(_escaped_latex, row)) + r" \\" for row in (head, *rows)]
        begin = rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}"
        parts.append("\n".join([begin, r"\hline", lines[0], r"\hline", *lines[1:], r"\hline", r"\end{tabular}"]))
    return "\n\n".join([*parts, _escaped_latex(_how(comparison))]) + "\n"


def _by_recording(systems: Sequence[Predictions], groups: Ints) -> tuple[Floats, Floats, Floats]:
    """Files (recording, class), hits (recording, system, class) and summed loss (recording, system)."""
    target, n_classes = systems[0].target, len(systems[0].classes)
    n_groups, rows = int(groups.max()) + 1, np.arange(len(target))
    cell, shape = groups * n_classes + target, (n_groups, n_classes)

    def counted(weights: NDArray[Any] | None) -> Floats:
        return np.bincount(cell, weights, n_groups * n_classes).reshape(shape).astype(np.float64)

    losses = [-np.log(normalised(one.probabilities)[rows, target]) for one in systems]
    return (
        counted(None),
        np.stack([counted(one.predicted == target) for one in systems], axis=1),
        np.stack([np.bincount(groups, loss, n_groups) for loss in losses], axis=1).astype(np.float64),
    )


def _figures(files: Floats, hits: Floats, loss: Floats) -> Floats:
    """(..., system, figure) from files (..., class), hits (..., system, class) and loss (..., system)."""
    n = files.sum(-1)[..., None]
    files = files[..., None, :]
    recall = np.divide(hits, files, out=np.zeros_like(hits), where=files > 0)
    return np.stack([hits.sum(-1) / n, recall.sum(-1) / (files > 0).sum(-1), loss / n], axis=-1)


def _bootstrap(files: Floats, hits: Floats, loss: Floats, rng: np.random.Generator, n_bootstrap: int) -> Floats:
    """(resample, system, figure): the same recordings for all systems of a resample."""
    n_groups, n_systems, n_classes = hits.shape
    columns = np.concatenate([files, hits.reshape(n_groups, -1), loss], axis=1)
    parts = []
    for n in _chunks(n_bootstrap, n_groups):
        sums = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), n) @ columns
        of_files, of_hits, of_loss = np.split(sums, [n_classes, n_classes * (1 + n_systems)], axis=1)
        parts.append(_figures(of_files, of_hits.reshape(n, n_systems, n_classes), of_loss))
    return np.concatenate(parts)


def _shares(files: Floats, hits: Floats, loss: Floats) -> Floats:
    """(recording, pair, figure): what each recording adds to each difference, which is the sum of them.

    hits (recording, pair, class) and loss (recording, pair) are differences.
    """
    of_class, n = files.sum(0), files.sum()
    present = of_class > 0
    macro = (hits[..., present] / of_class[present]).sum(-1) / present.sum()
    return np.stack([hits.sum(-1) / n, macro, loss / n], axis=-1)


def _sign_flips(shares: Floats, exact: bool, rng: np.random.Generator, n_permutations: int) -> Floats:
    """(pair, figure) two-sided p-values; to swap two systems in a recording is to turn its share's sign."""
    n_groups, shape = len(shares), shares.shape[1:]
    flat = shares.reshape(n_groups, -1)
    # sums in another order differ in the last digits; a tie counts
    least = np.abs(flat.sum(0)) - 1e-12 * np.abs(flat).sum(0)
    hits, done = np.zeros(flat.shape[1]), 0
    n_draws = 2**n_groups if exact else n_permutations
    for n in _chunks(n_draws, n_groups):
        if exact:
            bits = np.arange(done, done + n)[:, None] >> np.arange(n_groups) & 1
        else:
            bits = rng.integers(0, 2, (n, n_groups), dtype=np.int8)
        hits += (np.abs((1.0 - 2 * bits) @ flat) >= least).sum(0)
        done += n
    return (hits / n_draws if exact else (1 + hits) / (1 + n_draws)).reshape(shape)


def _chunks(n: int, width: int) -> Iterator[int]:
    size = max(1, AT_ONCE // width)
    for start in range(0, n, size):
        yield min(size, n - start)


def _named(values: Floats) -> dict[str, float]:
    return {figure: float(value) for figure, value in zip(FIGURES, values, strict=True)}


def _intervals(drawn: Floats | None) -> dict[str, list[float] | None]:
    if drawn is None:
        return dict.fromkeys(FIGURES)
    ends = np.quantile(drawn, [0.025, 0.975], axis=0)
    return {figure: ends[:, k].tolist() for k, figure in enumerate(FIGURES)}


def _tables(comparison: Mapping[str, Any]) -> tuple[Table, Table]:
    """The systems, and the pairs; figures as people read them: per cent, points, nats."""
    systems = [
        (name, *(cell for figure in FIGURES for cell in _cells(found, figure, found[figure], "")))
        for name, found in comparison["systems"].items()
    ]
    pairs = []
    for pair in comparison["pairs"]:
        row = [f"{pair['first']} - {pair['second']}"]
        for figure in FIGURES:
            row += [*_cells(pair, figure, pair["difference"][figure], "+"), f"{pair['p_value'][figure]:.4f}"]
        pairs.append(row)
    return (
        (("system", "accuracy %", "95 %", "macro %", "95 %", "log loss", "95 %"), systems),
        (("difference", "accuracy", "95 %", "p", "macro", "95 %", "p", "log loss", "95 %", "p"), pairs),
    )


def _cells(found: Mapping[str, Any], figure: str, value: float, sign: str) -> tuple[str, str]:
    scale, form = (1, f"{sign}.3f") if figure == "log_loss" else (100, f"{sign}.1f")
    interval = found["confidence_interval"][figure]
    return f"{scale * value:{form}}", " to ".join(f"{scale * end:{form}}" for end in interval) if interval else "none"


def _how(comparison: Mapping[str, Any]) -> str:
    unit = comparison["unit"]
    ways = "all" if comparison["exact"] else "draws of"
    return (
        f"{comparison['n']:,} files, {comparison['n_units']:,} {unit}s. 95 %: {comparison['n_bootstrap']:,} bootstrap "
        f"resamples by {unit}, the same for all systems. p: two-sided, systems swapped by {unit} "
        f"({ways} {comparison['n_permutations']:,} ways), not corrected for the number of pairs."
    )


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _escaped_markdown(cells: Sequence[str]) -> list[str]:
    return [re.sub(r"([\\`*_{}\[\]<>#|~&$])", r"\\\1", _one_line(cell)) for cell in cells]


def _escaped_latex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\`{}"}
    special |= {char: f"{{{char}}}" for char in "[*"}  # after a row's end LaTeX takes them for that command's
    special |= {char: f"\\{char}" for char in "&%$#_{}"}
    safe = "".join(special.get(char, char) for char in _one_line(text))
    # a minus before a figure; two hyphens of a name are no dash
    return re.sub(r"-(?=-)", "-{}", re.sub(r"(?<![^ ])-(?=\d)", "$-$", safe))
