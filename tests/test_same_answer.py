"""One answer on every road: eager network = model file = the runtime that classifies with it, in float and in int8."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tinyscene import load_system
from tinyscene.audio import read_audio
from tinyscene.compress import converted, float_operations, fold, prepared, settle
from tinyscene.evaluate import count_complexity, count_onnx
from tinyscene.export import FORMS, Export, write_model
from tinyscene.runtime import Classifier, cut_windows
from tinyscene.runtime.windows import sounding
from tinyscene.train import Decision

RATE = 44_100
FLOAT, INT8 = 1e-4, 0.01  # largest difference of float roads; mean difference of int8 ones


@torch.no_grad()
def eager(export: Export, waveforms: torch.Tensor, network: torch.nn.Module | None = None) -> np.ndarray:
    """Probabilities (window, class) of the torch front end, `network` (or the exported one) and decision."""
    front_end = export.system.frontend.build().eval()
    parts = waveforms.split(25)
    return torch.cat([export.decide((network or export.network)(front_end(part))) for part in parts]).numpy()


def unoptimised(path: Path, given: np.ndarray) -> np.ndarray:
    """What the file answers when each of its operators is computed as it stands."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {session.get_inputs()[0].name: given})[0]


@pytest.mark.parametrize("form", FORMS)
def test_float_file_and_runtime_answer_as_the_network(written, form):
    export, path = written.export["float32"], written.path["float32", form]
    expected = eager(export, written.waveforms)
    assert np.ptp(expected, axis=0).max() > 0.2, "the network must tell windows apart for this to show anything"
    assert np.abs(Classifier(path).probabilities(written.waveforms.numpy()) - expected).max() < FLOAT
    if form == "waveform":
        assert np.abs(unoptimised(path, written.waveforms.numpy()) - expected).max() < FLOAT


@pytest.mark.parametrize("form", FORMS)
def test_int8_file_and_runtime_answer_as_the_simulation(written, form):
    export, path = written.export["int8"], written.path["int8", form]
    expected = eager(export, written.waveforms, written.simulated)
    assert np.ptp(expected, axis=0).max() > 0.2
    answers = Classifier(path).probabilities(written.waveforms.numpy())
    assert np.abs(answers - expected).mean() < INT8
    assert (answers.argmax(1) == expected.argmax(1)).mean() > 0.98


def test_int8_answers_do_not_hang_on_what_onnxruntime_optimises(written):
    """Its integer operators, and each step of the file by itself, on the very same features."""
    export, path = written.export["int8"], written.path["int8", "features"]
    with torch.no_grad():
        features = export.system.frontend.build().eval()(written.waveforms)
        expected = export.decide(written.simulated(features)).numpy()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    fused = session.run(["probabilities"], {"features": features.numpy()})[0]
    for answers in (fused, unoptimised(path, features.numpy())):
        assert np.abs(answers - expected).mean() < 1e-3
        assert (answers.argmax(1) == expected.argmax(1)).mean() > 0.98


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", FLOAT), ("int8", 0.05)])
@pytest.mark.parametrize("form", FORMS)
def test_a_clip_is_the_mean_of_its_sounding_windows(written, precision, tolerance, form):
    """Two sounding windows, one of silence, one of sound, and a tail that a last window reaches back from."""
    waves = written.waveforms.numpy()
    clip = np.concatenate([waves[0], waves[17], np.zeros(RATE, np.float32), waves[40], waves[33][: RATE // 3]])
    windows = cut_windows(clip, RATE)
    heard = sounding(windows)
    assert heard.tolist() == [True, True, False, True, True]
    expected = eager(written.export[precision], torch.from_numpy(windows[heard])).mean(axis=0, dtype=np.float64)
    (decision,) = Classifier(written.path[precision, form]).classify((clip, RATE), top_k=10)
    scores = {entry["label"]: entry["score"] for entry in decision.top}
    answer = np.array([scores[label] for label in written.export[precision].labels])
    assert np.abs(answer - expected).max() < tolerance
    assert abs(answer.sum() - 1) < 1e-5


# ---- DSMN-1 at full size on real audio ----


@dataclass(frozen=True)
class Real:
    """DSMN-1 in int8, after a short training on ESC-10, and what the simulation answers."""

    export: Export
    waveforms: torch.Tensor  # one loud window of each fourth clip, (100, time)
    expected: np.ndarray
    counts: dict[str, int]


@pytest.fixture(scope="module")
def real(real_data: Path) -> Real:
    folder = real_data / "esc10"
    rows = list(csv.DictReader((folder / "meta.csv").open()))[::4]
    labels = sorted({row["category"] for row in rows})
    target = torch.tensor([labels.index(row["category"]) for row in rows])
    loud = []
    for row in rows:
        windows = cut_windows(read_audio(folder / row["filename"], "mean")[0], RATE)
        loud.append(windows[np.square(windows).sum(axis=1).argmax()])
    waveforms = torch.from_numpy(np.stack(loud))
    system = load_system("dsmn-1")
    front_end = system.frontend.build().eval()
    with torch.no_grad():
        features = torch.cat([front_end(part) for part in waveforms.split(25)])

    torch.manual_seed(0)
    network = system.model.build(n_classes=10, n_groups=0)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(20):
        chosen = torch.randint(len(features), (32,))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(features[chosen]), target[chosen]).backward()
        optimizer.step()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # so few steps leave the running statistics far behind
            module.reset_running_stats()
            module.momentum = None
    shuffled = features[torch.randperm(len(features))].split(50)
    with torch.no_grad():
        for part in shuffled:
            network(part)
        simulated = prepared(network, features[:2])
        for part in shuffled:
            simulated(part)
    settle(simulated)
    simulated.eval()
    ready = converted(simulated).eval()
    assert float_operations(ready) == []
    counts = count_complexity(network.eval(), features[:1], 1.0, fold(network))
    export = Export("dsmn-1-int8", system, tuple(labels), ready, Decision(10), "int8", counts, {})
    return Real(export, waveforms, eager(export, waveforms, simulated), counts)


@pytest.fixture(scope="module", params=["waveform", pytest.param("features", marks=pytest.mark.full)])  # 30 s each
def real_file(request, real: Real, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(real.export, request.param, tmp_path_factory.mktemp("real") / request.param, real.waveforms[:8])


def test_dsmn_1_in_int8_is_small_and_answers_as_its_simulation(real, real_file):
    assert real_file.stat().st_size <= {"features": 105_000, "waveform": 160_000}[real_file.name]
    assert len({*real.expected.argmax(1)}) >= 4, "the network must tell clips apart for this to show anything"
    answers = Classifier(real_file).probabilities(real.waveforms.numpy())
    assert (answers.argmax(1) == real.expected.argmax(1)).sum() >= 99
    assert np.abs(answers - real.expected).mean() < INT8


def test_dsmn_1_in_int8_stores_its_weights_and_biases_in_50_000_bytes(real, real_file):
    stored = count_onnx(real_file.read_bytes(), 1.0)
    assert stored["bytes"] == real.counts["bytes"] <= 50_000
