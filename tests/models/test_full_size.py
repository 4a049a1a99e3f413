"""Every published network at its full size: exports, answers, and learns twenty clips by heart (make test-full)."""

from __future__ import annotations

import json
import shutil
from functools import cache

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tinyscene.export import Deployed, slim, traced
from tinyscene.systems import systems

SYSTEMS = systems()
# One system of each network and input: dsmn-1-sgd is dsmn-1.
DISTINCT = {json.dumps([s.frontend.plain(), s.model.plain()], default=str): name for name, s in SYSTEMS.items()}
EACH = pytest.mark.parametrize("name", sorted(DISTINCT.values()))
pytestmark = pytest.mark.full


@cache
def shape(name: str) -> tuple[int, ...]:
    system = SYSTEMS[name]
    with torch.no_grad():
        return tuple(system.frontend.build().eval()(torch.zeros(1, system.window_samples)).shape[1:])


def maps(name: str, n: int) -> Tensor:
    return torch.randn(n, *shape(name), generator=torch.Generator().manual_seed(1))


def network_of(name: str) -> nn.Module:
    torch.manual_seed(2)
    return SYSTEMS[name].model.build()


@EACH
@torch.no_grad()
def test_the_exported_file_says_what_the_network_says(name):
    x, deployed = maps(name, 2), Deployed(network_of(name), nn.Softmax(1)).eval()
    data = slim(traced(deployed, x, "features")).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    expected = [answer.numpy() for answer in deployed(x)]
    for answer, wanted in zip(session.run(None, {"features": x.numpy()}), expected, strict=True):
        np.testing.assert_allclose(np.asarray(answer), wanted, atol=1e-4, rtol=1e-4)


@EACH
def test_twenty_clips_are_learnt_by_heart(name):
    network = network_of(name).to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    n_classes = SYSTEMS[name].model.fields["n_classes"]
    x, target = maps(name, 20).contiguous(memory_format=torch.channels_last), torch.arange(20) % n_classes
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for step in range(120):
        network.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x)[:, :n_classes], target).backward()
        optimizer.step()
        if step % 10 == 9:
            with torch.no_grad():
                if torch.equal(network.eval()(x)[:, :n_classes].argmax(1), target):
                    return
    pytest.fail("120 steps were not enough")


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler; nothing else here does")
@pytest.mark.parametrize("name", ["dsmn-1", "cnn6-ca"])
@torch.no_grad()
def test_compiled_networks_say_the_same(name):
    network, x = network_of(name).eval(), maps(name, 2)
    torch.testing.assert_close(torch.compile(network)(x), network(x), atol=1e-4, rtol=1e-4)
