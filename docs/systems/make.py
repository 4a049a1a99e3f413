"""Writes the pages of this folder: one for each report, from its system file. Run it after a change of one.

    python docs/systems/make.py

The numbers of a system are in its file and in `tinyscene show`; here stand its claims and the report's gaps.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from tinyscene.system import System
from tinyscene.systems import system_file, systems

HERE = Path(__file__).parent


def main() -> None:
    """Write every page and the list of them."""
    for name, text in pages().items():
        (HERE / f"{name}.md").write_text(text)


def pages() -> dict[str, str]:
    """File name without suffix -> what it holds."""
    named = [(system_file(name).stem, system) for name, system in systems().items()]
    reports = {stem: [system for _, system in group] for stem, group in groupby(named, key=lambda one: one[0])}
    return {stem: page(stem, group) for stem, group in reports.items()} | {"README": index(reports)}


def page(stem: str, group: list[System]) -> str:
    """One report: who, where, its systems' claims, its gaps."""
    report = group[0].report
    lines = [
        f"# {report.title}",
        "",
        f"{report.authors}, {report.year}. {report.challenge}."
        + (f" Published code: {report.code}." if report.code else ""),
        "",
        f"Every number and its source: [systems/{stem}.py](../../src/tinyscene/systems/{stem}.py).",
        "",
    ]
    for system in group:
        lines += [
            f"## {system.name}",
            "",
            "| claim | published | reached | source | |",
            "|---|---|---|---|---|",
            *(
                f"| {figure} | {claim.published} | {'not run' if claim.reached is None else f'{claim.reached:,}'} "
                f"| {claim.source} | {claim.why} |"
                for figure, claim in system.claims.items()
            ),
            "",
        ]
    notes = dict.fromkeys(note for system in group for note in system.notes)
    if notes:
        lines += ["## Gaps and contradictions of the report, and the choice taken", "", *(f"* {n}" for n in notes), ""]
    first = group[0].name
    lines += [
        "```console",
        f"tinyscene show {first}",
        f"tinyscene train {first} --data DIR --out RUN",
        f"tinyscene new mine --from {first}",
        "```",
        "",
        "All [systems](README.md). This page is written by [make.py](make.py).",
        "",
    ]
    return "\n".join(lines)


def index(reports: dict[str, list[System]]) -> str:
    """All of them."""
    rows = [
        f"| [{group[0].report.authors.partition(',')[0]} et al. {group[0].report.year}]({stem}.md) "
        f"| {group[0].report.challenge} | {', '.join(f'`{system.name}`' for system in group)} |"
        for stem, group in reports.items()
    ]
    return "\n".join(
        [
            "# Systems",
            "",
            "Each report is one file that holds all its numbers; these pages, written by [make.py](make.py) from the",
            "files, say what was published, what is reached, and where a report is silent or contradicts itself.",
            "How to write [one of your own](../add-a-system.md).",
            "",
            "| report | challenge | systems |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
