"""Int8 graphs in another form: the same answers in torch, and the network's own, step by step, in the runtimes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from tinyscene import load_system
from tinyscene.compress import converted, fold, prepared, settle
from tinyscene.export import Export
from tinyscene.export.executorch import _loaded, _lowered
from tinyscene.export.litert import _converted
from tinyscene.export.own_form import MOST_TAPS, pools_as_sums, unshared
from tinyscene.nn import MixupNorm
from tinyscene.train import Decision

aten, steps = torch.ops.aten, torch.ops.quantized_decomposed


class Twice(nn.Module):
    """One layer on means and on maxima, as CBAM has it: one bias on two scales."""

    def __init__(self) -> None:
        super().__init__()
        self.maps, self.shared = nn.Conv2d(3, 8, 1), nn.Linear(8, 10)
        self.shared.bias.data *= 4

    def forward(self, x: Tensor) -> Tensor:
        x = self.maps(x)
        return self.shared(x.mean((2, 3))) + self.shared(x.amax((2, 3)))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(n, 8, 3, padding=1) for n in (3, 8, 8))
        self.out = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = x + self.second(x)
        x = torch.relu(x + self.third(x))
        return self.out(x.mean((2, 3)))


def pooled(*pools: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 1), *pools, nn.Conv2d(8, 10, 1), nn.Flatten())


NETWORKS = {
    "norm": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3), MixupNorm(8), nn.ReLU(), nn.Conv2d(8, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "twice": Twice,
    "residual": Residual,
    "pools": lambda: pooled(nn.AvgPool2d((1, 2)), nn.AvgPool2d(3, 2, padding=1), nn.AvgPool2d((8, 3))),
}


def ready(name: str) -> tuple[GraphModule, Tensor]:
    """A small network, converted, and what it takes."""
    torch.manual_seed(0)
    x = torch.randn(8, 3, 16, 12)
    graph = prepared(fold(NETWORKS[name]().eval()), x[:2])
    graph.train()
    with torch.no_grad():
        graph(x)
    settle(graph)
    return converted(graph).eval(), x


def kinds(graph: GraphModule) -> Counter[Any]:
    return Counter(node.target for node in graph.graph.nodes)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_form_is_another_and_the_answers_are_not(name):
    graph, x = ready(name)
    with torch.no_grad():
        expected, before = graph(x), [node.format_node() for node in graph.graph.nodes]
        for form in (unshared, pools_as_sums):
            assert torch.equal(form(graph)(x), expected)
    assert [node.format_node() for node in graph.graph.nodes] == before, "the network itself stays"


@pytest.mark.parametrize("name", ["norm", "twice", "residual"])
def test_no_two_operations_read_the_same(name):
    form = unshared(ready(name)[0])
    for node in form.graph.nodes:
        if node.target == steps.dequantize_per_tensor.default:
            assert len(node.users) == 1, node.name
    layers = [node for node in form.graph.nodes if node.target in (aten.linear.default, aten.conv2d.default)]
    biases = [node.args[2] for node in layers]
    assert len(biases) == len(set(biases)) > 1


def test_pools_become_sums():
    graph, _ = ready("pools")
    before, after = kinds(graph), kinds(pools_as_sums(graph))
    assert before[aten.avg_pool2d.default] == 3
    assert after[aten.avg_pool2d.default] == 0
    assert after[aten.mean.dim] == 1, "the pool of the whole map"
    assert after[aten.conv2d.default] == before[aten.conv2d.default] + 2


def test_a_pool_that_is_no_plain_mean_or_large_stays():
    def graph(*pools: nn.Module) -> GraphModule:
        network = prepared(nn.Sequential(nn.Conv2d(3, 4, 1), *pools, nn.Conv2d(4, 2, 1)), torch.randn(2, 3, 16, 12))
        network(torch.randn(2, 3, 16, 12))
        return converted(network)

    others = [nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.AvgPool2d(3, ceil_mode=True)]
    assert MOST_TAPS < 9 * 9
    for pool in (*others, nn.AvgPool2d(2, divisor_override=3), nn.AvgPool2d(9)):
        assert kinds(pools_as_sums(graph(pool)))[aten.avg_pool2d.default] == 1, pool


# ---- with the libraries ----


def export_of(graph: GraphModule) -> Export:
    return Export("small", load_system("dsmn-1"), (), graph, Decision(10), "int8", {}, {})


def litert(graph: GraphModule, x: Tensor) -> np.ndarray:
    for name in ("litert_torch", "ai_edge_litert"):
        pytest.importorskip(name, reason=f"{name} is not here: pip install '.[tflite]'")
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]

    machine = Interpreter(model_content=_converted(export_of(graph), x[:1]))
    machine.allocate_tensors()
    (takes,), (gives,) = machine.get_input_details(), machine.get_output_details()
    rows = []
    for window in x.numpy():
        scale, zero = takes["quantization"]
        machine.set_tensor(takes["index"], np.clip(np.rint(window[None] / scale) + zero, -128, 127).astype(np.int8))
        machine.invoke()
        scale, zero = gives["quantization"]
        rows.append((machine.get_tensor(gives["index"]).astype(np.float64) - zero) * scale)
    return np.concatenate(rows)


def executorch(graph: GraphModule, x: Tensor) -> np.ndarray:
    pytest.importorskip("executorch", reason="executorch is not here: pip install '.[executorch]'")
    _data, _program, method = _loaded("m.pte", _lowered(export_of(graph), x[:1]))
    return np.concatenate([method.execute([window[None].contiguous()])[0].numpy().copy() for window in x])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("runtime", [litert, executorch])
def test_a_runtime_gives_the_very_steps_of_the_network(runtime, name):
    graph, x = ready(name)
    given = runtime(graph, x)
    with torch.no_grad():
        expected = graph(x).numpy()
    assert len(np.unique(expected)) > 20, "a network that is silent proves nothing"
    if name != "norm":
        assert np.abs(given - expected).max() == 0
    else:  # float sums, which each library adds up in its own order, are rounded behind it: the next step now and then
        step = np.diff(np.unique(expected)).min()
        assert np.abs(given - expected).max() <= step
        assert (given == expected).mean() > 0.9
