"""Every system by every rule of counting. Writes complexity.md and docs/complexity.png; no data needed, seconds.

python benchmarks/complexity.py
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from tinyscene.compress import fold
from tinyscene.evaluate import check_limits, count_complexity
from tinyscene.evaluate.complexity_picture import draw_complexity
from tinyscene.systems import systems

DRAWN = "dsmn-1"
FORMS = ("float32", "float16", "int8")


def main() -> None:
    """Count every distinct network and write the tables and the picture."""
    counted = [
        "| system | parameters | as Keras counts | MACs, torch rule | TFLite rule | every product "
        "| KiB of maps, float32 | int8 | bytes, float16 | int8 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    judged = [f"| system | {' | '.join(row['year'] + ' ' + row['unit'] for row in check_limits({}))} |"]
    judged.append("|---" * (judged[0].count("|") - 1) + "|")
    root, seen = Path(__file__).parents[1], set()
    for system in systems().values():
        same = json.dumps([system.frontend.plain(), system.model.plain()], default=str)
        if same in seen:
            continue
        seen.add(same)
        torch.manual_seed(1)
        network = system.model.build().eval()
        for parameter in network.parameters():  # an untrained norm's shifts are 0, and zeros are free in 2020 and 2021
            parameter.data += 0.01 * torch.randn_like(parameter)
        features = system.frontend.build().eval()(torch.zeros(1, system.window_samples))
        by_form = [
            count_complexity(network, features, system.task.window_s, int8_form, half)
            for int8_form, half in ((None, False), (None, True), (fold(network), False))
        ]
        whole, half, int8 = by_form
        keys = ("parameters", "parameters_keras", "macs", "macs_tflite", "macs_true")
        cells = [f"{whole[key]:,}" for key in keys]
        cells += [f"{counts['peak_activation_bytes'] / 1024:,.0f}" for counts in (whole, int8)]
        cells += [f"{counts['bytes']:,}" for counts in (half, int8)]
        counted.append(f"| `{system.name}` | {' | '.join(cells)} |")
        kept = [
            [form for form, row in zip(FORMS, rows, strict=True) if row["ok"]]
            for rows in zip(*(check_limits(counts) for counts in by_form), strict=True)
        ]
        words = ["yes" if len(forms) == len(FORMS) else ", ".join(forms) or "no" for forms in kept]
        judged.append(f"| `{system.name}` | {' | '.join(words)} |")
        if system.name == DRAWN:
            (root / "docs" / "complexity.png").write_bytes(draw_complexity(f"{DRAWN}, int8", int8))
    lines = [
        *counted,
        "",
        "Which stored form of each network keeps which limit (yes: all three, weights in float32, float16 and int8):",
        "",
        *judged,
        "",
        "Of one window; the limits of a second of audio. Full-size networks, every parameter filled. Written by "
        "`benchmarks/complexity.py`.",
    ]
    path = Path(__file__).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
