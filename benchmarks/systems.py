"""The table of systems: published and reached sizes. Writes benchmarks/systems.md; no data needed, seconds.

python benchmarks/systems.py
"""

from __future__ import annotations

from pathlib import Path

import torch

from tinyscene.compress import fold
from tinyscene.evaluate import count_complexity
from tinyscene.systems import systems


def main() -> None:
    """Count every system and write the table."""
    lines = [
        "| system | report | input | parameters published | reached | MACs published | reached | int8 bytes | accuracy "
        "published | reached |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for system in systems().values():
        features = system.frontend.build().eval()(torch.zeros(1, system.window_samples))
        network = system.model.build().eval()
        counts = count_complexity(network, features, system.task.window_s, fold(network))
        claims = system.claims
        accuracy = next((claim for figure, claim in claims.items() if figure.startswith("accuracy")), None)
        cells = (
            f"`{system.name}`",
            f"{authors(system.report.authors)} {system.report.year}",
            "x".join(str(size) for size in features.shape[1:]),
            claims["parameters"].published,
            f"{counts['parameters']:,}",
            claims["macs"].published,
            f"{counts['macs']:,}",
            f"{counts['bytes']:,}",
            accuracy.published if accuracy else "",
            "not run" if accuracy and accuracy.reached is None else "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Parameters and MACs as the official counter counts them in torch (2022 to 2025); bytes are int8 weights and "
        "int32 biases of the network with batch norm folded in, as stored. Accuracies need the TAU audio, which we do "
        "not have. Why a figure differs: `tinyscene show SYSTEM`. Written by `benchmarks/systems.py`.",
    ]
    path = Path(__file__).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


def authors(names: str) -> str:
    """The first of several, or the one there is."""
    first, several, _ = names.partition(",")
    return f"{first} et al." if several else first


if __name__ == "__main__":
    main()
