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
    lines = ["| system | report | figure | published | reached |", "|---|---|---|---|---|"]
    for system in systems().values():
        features = system.frontend.build().eval()(torch.zeros(1, system.window_samples))
        network = system.model.build().eval()
        counts = count_complexity(network, features, system.task.window_s, fold(network))
        shape = "x".join(str(size) for size in features.shape[1:])
        report = f"{system.report.authors.partition(',')[0]} et al., {system.report.challenge}"
        first = [f"`{system.name}`", report]
        for figure, claim in system.claims.items():
            reached = claim.why if claim.reached is None else f"{claim.reached:,}"
            what = f"{figure} at {shape}" if figure == "macs" else figure
            lines.append(f"| {first[0]} | {first[1]} | {what} | {claim.published} | {reached} |")
            first = ["", ""]
        lines.append(f"|  |  | int8 weights and int32 biases, folded | | {counts['bytes']:,} B |")
    path = Path(__file__).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
