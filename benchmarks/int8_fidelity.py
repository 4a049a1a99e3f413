"""Does the int8 file answer as the simulated network? Writes benchmarks/int8_fidelity.md and .json.

    python benchmarks/int8_fidelity.py --data DIR [--only dsmn-1 ...] [--runs FOLDER] [--work FOLDER]

DIR (TINYSCENE_DATA without) holds esc10. Each published network, untrained: its batch norms and its scales have seen
some clips of folds 2 to 5, its last layer is shifted so that no class is preferred. The features-in file, in
onnxruntime as it comes, is compared with the settled network on the first window of all 400 clips. What is done is
kept in --work, a file a network, and not done again. Ten minutes on one core.

--runs: takes each run of `tinyscene train` and `tinyscene compress` below that folder instead, on the clips of its test
fold, and says what int8 costs in accuracy; nothing is written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import onnxruntime
import torch
from real_data import add_data, data_folder, run_main
from torch import Tensor, nn
from torch.fx import GraphModule

from tinyscene.audio import read_audio, resample
from tinyscene.batch import Batch
from tinyscene.cli.run_verbs import opened
from tinyscene.compress import converted, prepared, settle
from tinyscene.compress.float_layers import float_layers
from tinyscene.data import Dataset, open_dataset
from tinyscene.errors import DataError
from tinyscene.export import Deployed, slim, traced
from tinyscene.files import make_folder, write_whole
from tinyscene.frontends import FittedStandardisation
from tinyscene.pipeline import finished_stages
from tinyscene.pipeline.recipe import base_of, stages_of
from tinyscene.pipeline.stages import restore
from tinyscene.runtime import cut_windows
from tinyscene.system import System
from tinyscene.systems import systems

HERE = Path(__file__).parent
NETWORKS = (
    *(f"dsmn-{i}" for i in (1, 2, 3, 4)),
    *("amfm", "resnet-se", "pham-cnn", "cnn6-ca", "cnn6-ca-30m", "mini-segnet"),
    *(f"mini-segnet-student-{i}" for i in (1, 2, 3)),
    *("dcase2022-baseline", "cp-mobile"),
)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
GOAL = 396  # clips of 400
BATCH, SEEN = 20, 80  # clips at a time; training clips that norms and scales see


@dataclass(frozen=True)
class Row:
    """What one network's file did."""

    name: str
    clips: int
    same: int  # clips of the same class in file and simulation
    steps: float  # largest difference of a logit, in steps of the last layer's output scale
    classes: int  # different answers among the clips: were it 1, `same` would say nothing
    bytes: int
    float_layers: tuple[str, ...]
    seconds: float


def features_of(system: System, root: Path, cache: Path) -> tuple[Tensor, np.ndarray]:
    """(features of each clip's first window, whether it is of the test fold); made once, then read from `cache`."""
    dataset = open_dataset(root)
    tested = dataset.fold == dataset.official_fold
    plain = json.dumps([system.frontend.plain(), system.window_samples, system.task.channels], default=str)
    path = cache / f"features-{hashlib.sha256(plain.encode()).hexdigest()[:12]}.npy"
    if not path.is_file():
        front_end = system.frontend.build().eval()
        bands = torch.cat([front_end.bands(window) for window in _windows(system, dataset)])
        for step in front_end.finish:
            if isinstance(step, FittedStandardisation):
                nothing = torch.zeros(0)
                step = FittedStandardisation(**step.fit([Batch(bands[torch.from_numpy(~tested)], nothing)]))
            bands = step(bands)
        np.save(path, bands.numpy())
    return torch.from_numpy(np.load(path)), tested


def _windows(system: System, dataset: Dataset) -> Iterator[Tensor]:
    for file in dataset.paths():
        waveform, rate = read_audio(file, system.task.channels)
        waveform = resample(waveform, rate, system.task.sample_rate_hz)
        yield torch.from_numpy(cut_windows(waveform, system.window_samples)[:1])


def awake(system: System, seen: Tensor) -> nn.Module:
    """The network, untrained, whose batch norms have seen clips and whose logits are about 0, whatever the class."""
    torch.manual_seed(1)
    network = system.model.build()
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # the mean over all batches
        if norm.affine:  # as after training: each channel its own
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.3, 0.3)
    network.train()
    for part in seen.split(BATCH):
        network(part)
    network.eval()
    logits = torch.cat([network(part) for part in seen.split(BATCH)])
    last = [module for module in network.modules() if isinstance(module, (nn.Linear, *NORMS))][-1]
    assert isinstance(last.bias, Tensor)
    last.bias.data -= logits.mean(0)[: len(last.bias)]
    return network


def simulated(network: nn.Module, seen: Tensor) -> GraphModule:
    """The settled int8 network, its scales those of `seen`."""
    graph = prepared(network, seen[:2])
    graph.train()
    for part in seen.split(BATCH):
        graph(part)
    graph.eval()
    settle(graph)
    return graph


def compare(name: str, graph: GraphModule, features: Tensor, n_classes: int) -> Row:
    """File against simulation on all of `features`."""
    start = time.perf_counter()
    network = converted(graph).eval()
    deployed = Deployed(network, nn.Softmax(1)).eval()
    data = slim(traced(deployed, features[:2], "features")).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    parts = features.split(BATCH)
    expected = torch.cat([graph(part) for part in parts]).numpy()
    answers = np.concatenate([np.asarray(session.run(["logits"], {"features": part.numpy()})[0]) for part in parts])
    mine, theirs = (logits[:, :n_classes].argmax(1) for logits in (expected, answers))
    return Row(
        name=name,
        clips=len(features),
        same=int((mine == theirs).sum()),
        steps=round(float(np.abs(expected - answers).max()) / output_step(graph), 2),
        classes=len(np.unique(mine)),
        bytes=len(data),
        float_layers=tuple(f"{layer.layer} ({layer.operation}): {layer.why}" for layer in float_layers(network)),
        seconds=round(time.perf_counter() - start, 1),
    )


def output_step(graph: GraphModule) -> float:
    """One step of the logits."""
    (last,) = (node for node in graph.graph.nodes if node.op == "output")
    return float(graph.get_submodule(str(last.all_input_nodes[0].target)).get_buffer("scale"))


def row_of(name: str, root: Path, work: Path) -> Row:
    """One network, compared now or before."""
    path = work / f"{name}.json"
    if not path.is_file():
        system = systems()[name]
        features, tested = features_of(system, root, work)
        chosen = np.random.default_rng(1).choice(np.flatnonzero(~tested), SEEN, replace=False)
        seen = features[torch.from_numpy(np.sort(chosen))]
        graph = simulated(awake(system, seen), seen)
        write_whole(path, json.dumps(asdict(compare(name, graph, features, len(system.task.classes)))).encode())
    return Row(**json.loads(path.read_text()))


@torch.no_grad()
def trained(folder: Path) -> None:
    """Each int8 stage of a run: its file against its simulation, and both against the float network."""
    prepared_run, _ = opened(folder)
    prepared_run = prepared_run.learned(folder)
    stages = stages_of(prepared_run.system)
    for stage in finished_stages(prepared_run, folder):
        if stage.precision != "int8":
            continue
        split, decide, windows = prepared_run.split.test, prepared_run.decide, []
        for window in _windows(prepared_run.system, prepared_run.dataset.take(split)):
            windows.append(prepared_run.front_end(window))
        features, target = torch.cat(windows), prepared_run.dataset.target[split]
        graph = restore(prepared_run, folder, stage)
        assert isinstance(graph, GraphModule)
        float_network = restore(prepared_run, folder, base_of(stages, stage))
        right = [
            100
            * float((np.concatenate([decide(form(part)).argmax(1) for part in features.split(BATCH)]) == target).mean())
            for form in (float_network, graph)
        ]
        row = compare(f"{folder} {stage.name}", graph, features, len(prepared_run.dataset.classes))
        print(
            f"{row.name}: same class on {row.same} of {row.clips}, {row.steps} steps; first windows right: float "
            f"{right[0]:.1f} %, int8 {right[1]:.1f} % ({right[1] - right[0]:+.1f})",
            flush=True,
        )


def table(rows: list[Row]) -> list[str]:
    """The page."""
    lines = [
        "| network | same class, of 400 clips | largest difference of a logit, steps | classes answered | file, bytes "
        "| what stays float |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        layers = "; ".join(layer.partition(":")[0] for layer in row.float_layers) or "nothing"
        below = "" if row.same >= GOAL else " (below the goal)"
        lines.append(f"| `{row.name}` | {row.same}{below} | {row.steps:g} | {row.classes} | {row.bytes:,} | {layers} |")
    why = sorted({layer.partition(": ")[2] for row in rows for layer in row.float_layers})
    lines += [
        "",
        f"Goal: the same class on {GOAL} of the 400 clips of ESC-10, first window of each. File: features in, int8, "
        "onnxruntime with all its fusions; simulation: the settled fake-quantised network in torch. A step is one of "
        "the last layer's output scale. Networks are untrained: batch norms (their weights drawn from 0.5 to 1.5, "
        f"biases from -0.3 to 0.3) and int8 scales have seen {SEEN} clips of folds 2 to 5, the last bias is moved so "
        "that the mean of each logit is 0 on them. Such a network tells classes apart by less than a trained one: a "
        "rounding that goes the other way changes the answer sooner. Bytes without the card of names and labels.",
        "",
        *(f"Why it stays float: it {reason}." for reason in why),
        "",
        f"{platform.machine()}, one thread, onnxruntime {onnxruntime.__version__}, torch {torch.__version__}, "
        f"{sum(row.seconds for row in rows) / 60:.0f} minutes of comparing. Written by `benchmarks/int8_fidelity.py`.",
    ]
    return lines


def main() -> None:
    """Compare what is wanted and write the table."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    ask = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add_data(ask, "esc10")
    ask.add_argument("--only", nargs="*", choices=NETWORKS)
    ask.add_argument("--runs", type=Path, metavar="FOLDER", help="compare the runs below it instead")
    ask.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "tinyscene-int8-fidelity")
    args = ask.parse_args()
    if args.runs:
        records = sorted(args.runs.rglob("run.json"))
        if not records:
            raise DataError(f"no run is below --runs {args.runs}; tinyscene train makes one.")
        for record in records:
            trained(record.parent)
        return
    root = data_folder(args.data, "esc10") / "esc10"
    make_folder(args.work, "Choose another --work.")
    rows = []
    for name in args.only or NETWORKS:
        rows.append(row_of(name, root, args.work))
        print(f"{name}: {rows[-1].same} of 400, {rows[-1].steps:g} steps, {rows[-1].bytes:,} bytes", flush=True)
    if args.only:
        return
    write_whole(HERE / "int8_fidelity.json", json.dumps([asdict(row) for row in rows], indent=1).encode())
    write_whole(HERE / "int8_fidelity.md", ("\n".join(table(rows)) + "\n").encode())


if __name__ == "__main__":
    run_main(main)
