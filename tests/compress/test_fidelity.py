"""The int8 file in onnxruntime, all fusions on, answers bit by bit as the settled network does, on real clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tinyscene.audio import read_audio, resample
from tinyscene.compress import converted, prepared, settle
from tinyscene.compress.float_layers import float_layers
from tinyscene.export import Deployed, slim, traced
from tinyscene.runtime import cut_windows
from tinyscene.system import System
from tinyscene.systems import load_system

QUICK = ("mini-segnet-student-1", "cnn6-ca-30m")  # and dsmn-1, trained for some steps, in tests/test_same_answer.py
FULL = (
    *("dsmn-1", "dsmn-2", "dsmn-3", "dsmn-4", "amfm", "resnet-se", "pham-cnn", "cnn6-ca", "mini-segnet"),
    *("mini-segnet-student-2", "mini-segnet-student-3", "dcase2022-baseline", "cp-mobile"),
)
CLIPS, SEEN = 20, 8


def features(system: System, root: Path) -> Tensor:
    """Of the first windows of CLIPS clips, some of each class of ESC-10."""
    files = sorted((root / "esc10" / "audio").rglob("*.ogg"))
    front_end, maps = system.frontend.build().eval(), []
    for file in files[:: len(files) // CLIPS][:CLIPS]:
        waveform, rate = read_audio(file, system.task.channels)
        window = cut_windows(resample(waveform, rate, system.task.sample_rate_hz), system.window_samples)[:1]
        maps.append(front_end(torch.from_numpy(window)))
    return torch.cat(maps)


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.full) for name in FULL)])
@torch.no_grad()
def test_file_and_simulation_give_the_same_logits(name, real_data):
    system = load_system(name)
    x = features(system, real_data)
    torch.manual_seed(1)
    network = system.model.build()
    for norm in network.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            norm.momentum = None
            if norm.affine:
                nn.init.uniform_(norm.weight, 0.5, 1.5)
                nn.init.uniform_(norm.bias, -0.3, 0.3)
    network.train()(x[:SEEN])
    graph = prepared(network.eval(), x[:2])
    graph.train()
    graph(x[:SEEN])
    graph.eval()
    settle(graph)
    form = converted(graph).eval()
    data = slim(traced(Deployed(form, nn.Softmax(1)).eval(), x[:2], "features")).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    answers, expected = session.run(["logits"], {"features": x.numpy()})[0], graph(x).numpy()
    assert len(np.unique(expected)) > 20, "a network that is silent proves nothing"
    (last,) = (node for node in graph.graph.nodes if node.op == "output")
    step = float(graph.get_submodule(str(last.all_input_nodes[0].target)).get_buffer("scale"))
    assert np.abs(answers - expected).max() <= (step if "segnet" in name else 0)  # its norm is made of float sums
    norms = {layer.layer for layer in float_layers(form)}
    assert norms == ({"encoder.0.1", "decoder.1.2"} if "segnet" in name else set())
