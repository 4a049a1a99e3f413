"""How long each network takes for one window in onnxruntime, one thread: float32 and int8. Writes inference.md.

    python benchmarks/inference.py [SYSTEM...]

Networks are untrained and full-size: time does not ask for the weights. Files take features; the front end is timed in
benchmarks/front_ends.py. What is printed of a file's bytes and maps is counted from the file. Some 10 minutes.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from tinyscene.compress import converted, fold, prepared, settle
from tinyscene.evaluate import count_complexity, count_onnx
from tinyscene.export import Deployed, slim, traced
from tinyscene.system import System
from tinyscene.systems import systems

RUNS = 30


def exported(network: nn.Module, features: Tensor) -> bytes:
    """The ONNX file, as `tinyscene export` makes it."""
    return slim(traced(Deployed(network, nn.Softmax(1)).eval(), features[:2], "features")).SerializeToString()


def int8(network: nn.Module, features: Tensor) -> nn.Module:
    """The quantised network, its scales taken from two batches of features."""
    graph = prepared(network, features[:2])
    with torch.no_grad():
        for part in features.split(2):
            graph(part)
    settle(graph)
    return converted(graph)


def milliseconds(data: bytes, features: np.ndarray) -> float:
    """Of the fastest of RUNS inferences."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        session.run(None, {"features": features})
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def row(system: System) -> str:
    """One line of the table."""
    torch.manual_seed(1)
    network = system.model.build().eval()
    for parameter in network.parameters():  # no bias stays 0: an exporter leaves such out
        parameter.data += 0.01 * torch.randn_like(parameter)
    with torch.no_grad():
        features = system.frontend.build().eval()(torch.randn(4, system.window_samples) / 10)
    counts = count_complexity(network, features[:1], system.task.window_s)
    cells = []
    for form in (fold(network), int8(network, features)):
        data = exported(form, features)
        of_file = count_onnx(data, system.task.window_s)
        cells += [
            f"{milliseconds(data, features[:1].numpy()) / system.task.window_s:.2f}",
            f"{of_file['bytes']:,}",
            f"{of_file['peak_activation_bytes'] / 1024:,.0f}",
        ]
    size = "x".join(str(n) for n in features.shape[1:])
    print(system.name, *cells, flush=True)
    return (
        f"| `{system.name}` | {size} | {system.task.window_s:g} s | {counts['macs_per_s'] / 1e6:.1f} "
        f"| {' | '.join(cells)} |"
    )


def main() -> None:
    """Measure and write the table."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or list(systems())
    seen: set[str] = set()
    lines = [
        "| network | input | window | MMACs/s | float32: ms for 1 s of audio | bytes | KiB of maps "
        "| int8: ms for 1 s of audio | bytes | KiB of maps |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in wanted:
        system = systems()[name]
        same = json.dumps([system.frontend.plain(), system.model.plain()], default=str)
        if same not in seen:
            seen.add(same)
            lines.append(row(system))
    lines += [
        "",
        f"onnxruntime {onnxruntime.__version__}, one thread, fastest of {RUNS} runs of one window, divided by the "
        "window's seconds; files that take features, networks untrained. MMACs/s by the official rule for torch. Bytes "
        "of weights and the most KiB that maps take at one time are counted from the files. Written by "
        "`benchmarks/inference.py`.",
    ]
    if len(sys.argv) > 1:
        print("\n".join(lines))
        return
    path = Path(__file__).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
