"""What each layer costs when it alone is int8: a table, measured on training clips."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node
from torchao.quantization.pt2e import FakeQuantizeBase

from ..compress.calibrate import calibrate, plain_clips
from ..compress.quantized import prepared as quantised
from ..compress.quantizer import CLIPPED, MOVING, SUMS
from ..files import write_whole
from ..train import Job, Stage
from ..train.machine import keep_memory
from .preparing import Prepared
from .stages import restore

SENSITIVITY = "sensitivity.csv"
ALL, FLOAT = "(all)", "(float)"
AT_ONCE = 64  # windows


@dataclass(frozen=True)
class Sensitivity:
    """One layer alone in int8, weights and activations, against float; "(all)": every layer.

    `accuracy` is its own, 0..1; `accuracy_change` and `log_loss_change` (nats) are int8 less float; `divergence` is the
    mean Kullback-Leibler divergence from the float network's probabilities, in nats.
    """

    layer: str
    operations: str
    accuracy: float
    accuracy_change: float
    log_loss_change: float
    divergence: float


@torch.inference_mode()
def sensitivity(
    prepared: Prepared, folder: Path, stage: Stage, job: Job, clips: int = 256
) -> tuple[list[Sensitivity], int]:
    """Every layer of a float stage that int8 would quantise, the worst divergence first, behind "(all)"; and how many
    training clips say so.

    Those are at most `clips` of `job`, never test clips; the scales are from them too. Writes RUN/sensitivity.csv.
    """
    keep_memory()
    graph = quantised(restore(prepared, folder, stage), job.example)
    windows, classes = zip(*plain_clips(job, clips), strict=True)
    calibrate(graph, windows)
    layers = quantised_layers(graph)
    runner = Interpreter(graph, garbage_collect_values=False)
    nodes = list(graph.graph.nodes)
    parts = {ALL: set[nn.Module]().union(*(modules for modules, _ in layers.values()))}
    parts |= {layer: modules for layer, (modules, _) in layers.items()}
    said: dict[str, list[Tensor]] = {name: [] for name in (FLOAT, *parts)}
    # channels last, as in training: half the time
    batches = torch.cat(windows).contiguous(memory_format=torch.channels_last).split(AT_ONCE)
    with prepared.progress("layers, each alone in int8") as report:
        for i, x in enumerate(batches):
            _switch(parts[ALL], False)
            said[FLOAT].append(prepared.decide(runner.run(x)))
            values = dict(runner.env)
            for name, modules in parts.items():
                _switch(modules, True)
                first = next(i for i, node in enumerate(nodes) if _quantiser(graph, node) in modules)
                known = {node: values[node] for node in nodes[:first]}  # as in the float network
                said[name].append(prepared.decide(runner.run(x, initial_env=known)))
                _switch(modules, False)
            report(i + 1, len(batches))
    owner = np.repeat(np.arange(len(windows)), [len(x) for x in windows])
    by_clip = {name: _mean(torch.cat(answers).double().numpy(), owner) for name, answers in said.items()}
    target, before = np.asarray(classes), by_clip[FLOAT]
    rows = [_row(layer, what, by_clip[layer], before, target) for layer, (_, what) in layers.items()]
    rows.sort(key=lambda row: -row.divergence)
    rows.insert(0, _row(ALL, "", by_clip[ALL], before, target))
    write_whole(folder / SENSITIVITY, _table(rows))
    return rows, len(windows)


def quantised_layers(graph: GraphModule) -> dict[str, tuple[set[nn.Module], str]]:
    """By the layer's path in the network: the fake quantisers at its inputs, weights and outputs; its operations.

    A ReLU that is one operation with what comes before it belongs to that layer.
    """
    found: dict[str, tuple[set[nn.Module], list[str]]] = {}
    for node in graph.graph.nodes:
        if node.op != "call_function" or node.target in MOVING or not node.meta.get("quantization_annotation"):
            continue
        beside = {_quantiser(graph, other) for other in (*node.all_input_nodes, *node.users)} - {None}
        source = node.all_input_nodes[0]
        fused = node.target in CLIPPED and source.target in SUMS and len(source.users) == 1
        own, operations = found.setdefault(_path(source if fused else node), (set(), []))
        own.update(module for module in beside if module is not None)
        operations.append(str(node.target).removeprefix("aten.").split(".")[0].removesuffix("_"))
    return {layer: (own, ", ".join(dict.fromkeys(operations))) for layer, (own, operations) in found.items() if own}


def _quantiser(graph: GraphModule, node: Node) -> nn.Module | None:
    module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
    return module if isinstance(module, FakeQuantizeBase) else None


def _switch(modules: Iterable[nn.Module], on: bool) -> None:
    for module in modules:
        module.get_buffer("fake_quant_enabled").fill_(int(on))


def _mean(windows: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(window, class) -> (clip, class), each row of sum 1: float32 misses it by more than the least divergences."""
    total = np.zeros((owner[-1] + 1, windows.shape[1]))
    np.add.at(total, owner, windows)
    return total / total.sum(1, keepdims=True)


def _path(node: Node) -> str:
    """The innermost module that the operation is of; "(network)" for one of the network's own forward."""
    stack = node.meta.get("nn_module_stack") or {}
    path = next((str(path) for path, _ in reversed(list(stack.values())) if path), "")
    return path.removeprefix("L['self'].").removeprefix("L['self']") or "(network)"


def _row(layer: str, operations: str, said: np.ndarray, float_said: np.ndarray, target: np.ndarray) -> Sensitivity:
    said, before = said.clip(1e-15), float_said.clip(1e-15)
    row = np.arange(len(target))
    accuracy = float((said.argmax(1) == target).mean())
    return Sensitivity(
        layer,
        operations,
        accuracy,
        accuracy - float((before.argmax(1) == target).mean()),
        float(np.log(before[row, target]).mean() - np.log(said[row, target]).mean()),
        float((before * (np.log(before) - np.log(said))).sum(1).mean()),
    )


def _table(rows: list[Sensitivity]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([item.name for item in fields(Sensitivity)])
    for row in rows:
        writer.writerow(f"{value:.6g}" if isinstance(value, float) else value for value in asdict(row).values())
    return text.getvalue()
