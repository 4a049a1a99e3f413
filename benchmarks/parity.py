"""Every road from sound to probabilities, of every network, beside the network in torch. Writes parity.md.

    python benchmarks/parity.py [--only SYSTEM...] [--again]

Full-size networks with random weights whose norms have heard the sounds: what a road does wrong shows without training.
What is measured lies in parity.json, a network at a time, so a killed run goes on; --again measures anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from torch import Tensor, nn

from tinyscene.compress import converted, fold, prepared, settle
from tinyscene.errors import ModelError, install
from tinyscene.evaluate import count_complexity
from tinyscene.export import FORMS, Export, write_model
from tinyscene.export.executorch import write_executorch
from tinyscene.export.litert import write_litert
from tinyscene.files import write_whole
from tinyscene.pipeline.parity import TOLERANCE, Road, compare, made_sounds, sounds_of
from tinyscene.pipeline.parity_roads import OTHERS, eager_road, file_roads, model_cards
from tinyscene.system import System
from tinyscene.systems import systems
from tinyscene.train import Decision

PRECISIONS = ("float32", "float16", "int8")


def main() -> None:
    """Measure the networks that have no figures yet, then write the table."""
    kept = network_by_network(__file__, __doc__, measured, table)
    if not all(row["ok"] for entry in kept.values() for row in entry["rows"]):
        sys.exit("parity: a road breaks its tolerance")


def network_by_network(
    script: str,
    about: str | None,
    measured: Callable[[System, Path], dict[str, Any]],
    table: Callable[[dict[str, Any]], list[str]],
) -> dict[str, Any]:
    """A benchmark's figures by network: those kept in SCRIPT.json, and what is measured now. Writes SCRIPT.md."""
    options = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    options.add_argument("--only", nargs="+", metavar="SYSTEM", choices=list(systems()))
    options.add_argument("--again", action="store_true", help="measure what is measured already, too")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    figures, page = (Path(script).with_suffix(ending) for ending in (".json", ".md"))
    kept: dict[str, Any] = json.loads(figures.read_text()) if figures.exists() else {}
    for name, system in distinct().items():
        if (chosen.only and name not in chosen.only) or (name in kept and not chosen.again):
            continue
        with tempfile.TemporaryDirectory() as folder:
            kept[name] = measured(system, Path(folder))
        write_whole(figures, (json.dumps(kept, indent=1) + "\n").encode())
        print(name, json.dumps(kept[name]), flush=True)
    page.write_text("\n".join(table(kept)) + "\n")
    print(page.read_text())
    return kept


def distinct() -> dict[str, System]:
    """The published systems, those of equal network and front end once."""
    found = {}
    for system in systems().values():
        found.setdefault(json.dumps([system.frontend.plain(), system.model.plain()], default=str), system)
    return {system.name: system for system in found.values()}


def measured(system: System, folder: Path) -> dict[str, Any]:
    """Rows of every road of one network in float32, float16 and int8."""
    rate, window = system.task.sample_rate_hz, system.window_samples
    sounds = sounds_of(made_sounds(rate, window), rate, window)
    waveforms = torch.from_numpy(sounds.windows)
    front_end = system.frontend.build().eval()
    with torch.no_grad():
        features = torch.cat([front_end(part) for part in waveforms.split(4)])
    decide = Decision(system.model.fields["n_classes"])
    roads: list[Road] = []
    missing: list[str] = []
    for precision, shown, network, ready in forms_of(calibrated(system, features), features):
        name = f"{system.name}-{precision}"
        roads.append(eager_road(name, f"torch{shown}", precision, network, front_end, decide, reference=True))
        if ready is not network and precision == "int8":
            roads.append(eager_road(name, "torch, int8", precision, ready, front_end, decide))
        counts = count_complexity(network, features[:1], system.task.window_s) if precision == "float32" else {}
        labels = tuple(system.task.classes) or tuple(f"class {i}" for i in range(decide.n_classes))
        export = Export(name, system, labels, ready, decide, precision, counts, {})
        for path, write in writers(folder / name, precision).items():
            try:
                write(export, path, waveforms[:4])
            except ModelError as error:
                missing.append(str(error))
    for path, card in sorted(model_cards(folder).items(), key=lambda item: FORMS.index(item[1].form)):
        roads += file_roads(path, card)
    roads.sort(key=lambda road: PRECISIONS.index(road.precision))
    rows = compare(roads, sounds)
    return {"rows": [row.to_dict() for row in rows], "missing": missing}


def writers(stem: Path, precision: str) -> dict[Path, Callable[[Export, Path, Tensor], object]]:
    """Who writes which file of a network, of the kinds that are installed; in float16 as ONNX only."""
    every: dict[Path, Callable[[Export, Path, Tensor], object]] = {
        Path(f"{stem}-{form}.onnx"): lambda export, path, waves, form=form: write_model(export, form, path, waves)
        for form in FORMS
    }
    if precision != "float16" and find_spec("litert_torch") and find_spec("ai_edge_litert"):
        every[Path(f"{stem}.tflite")] = write_litert
    if precision != "float16" and find_spec("executorch"):
        every[Path(f"{stem}.pte")] = write_executorch
    return every


def calibrated(system: System, features: Tensor) -> nn.Module:
    """The network with random weights, in eval, its norms' statistics those of the sounds."""
    torch.manual_seed(1)
    network = system.model.build()
    for parameter in network.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)  # no bias stays 0: an exporter leaves such out
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        network.train()(features)
    return network.eval()


def forms_of(network: nn.Module, features: Tensor) -> Iterator[tuple[str, str, nn.Module, nn.Module]]:
    """(precision, words, the network that is the reference, the network that is exported), form by form."""
    yield "float32", "", network, fold(network)
    half = fold(network).half().float()
    yield "float16", ", weights rounded", half, half
    graph = prepared(network, features[:2])
    with torch.no_grad():
        for part in features.split(4):
            graph(part)
    settle(graph)
    graph.eval()
    yield "int8", ", fake-quantised", graph, converted(graph).eval()


def table(kept: dict[str, Any]) -> list[str]:
    """The figures as Markdown: a row a network and road, precisions beside each other."""
    heads = (f"{precision}: largest difference | ms" for precision in PRECISIONS)
    lines = [f"| network | road | {' | '.join(heads)} | same class |", "|---" * 9 + "|"]
    missing = {
        f"{kind}, which is not installed: {install(extra)}": None
        for kind, library, extra, *_ in OTHERS.values()
        if find_spec(library) is None
    }
    for name in (name for name in distinct() if name in kept):
        rows = kept[name]["rows"]
        for road in dict.fromkeys(row["road"] for row in rows if row["reference"]):
            found = {row["precision"]: row for row in rows if row["road"] == road}
            cells = [cell for precision in PRECISIONS for cell in _cells(found.get(precision))]
            same, n = (sum(row[key] for row in found.values()) for key in ("same", "n"))
            lines.append(f"| `{name}` | {road} | {' | '.join(cells)} | {same} of {n} |")
        missing |= dict.fromkeys(f"`{name}`: {_short(line)}" for line in kept[name]["missing"])
    allowed = ", ".join(f"{tolerance:g} in {precision}" for precision, tolerance in TOLERANCE.items())
    lines += [
        "",
        "Full-size networks with random weights, untrained, norms and int8 scales from the sounds themselves: six test "
        "signals and ten synthetic scenes. References: the network in torch; in int8 the fake-quantised one. Allowed: "
        f"{allowed}. Time is the median of one window on one thread, front end included. "
        "Same class: of the windows, in all precisions together. Written by `benchmarks/parity.py`.",
    ]
    return [
        *lines,
        *(["", "Not there, in int8 where nothing else is said:", ""] if missing else []),
        *(f"- {line}" for line in missing),
    ]


def _short(why: str) -> str:
    """What was refused, without the advice."""
    return why.partition(" (")[0] if "cannot be converted" in why else why.partition(";")[0]


def _cells(row: dict[str, Any] | None) -> tuple[str, str]:
    """Difference and milliseconds."""
    if row is None:
        return "", ""
    return f"{row['difference']:.1e}{'' if row['ok'] else ', too much'}", f"{row['ms']:.2f}"


if __name__ == "__main__":
    main()
