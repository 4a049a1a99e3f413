"""Published figures, recounted: what a system file claims to reach is what its network costs."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
import torchinfo

from tinyscene.compress import fold
from tinyscene.evaluate import count_complexity
from tinyscene.systems import systems

SYSTEMS = systems()
RECOUNTED = {
    "parameters": lambda counts: counts["parameters"],
    "parameters, Keras": lambda counts: counts["parameters_keras"],
    "macs": lambda counts: counts["macs"],
    "bytes": lambda counts: counts["bytes"],
    # 1024 bytes, as reports 002 and 003 print them: of every parameter that Keras or torch counts
    "KiB, float": lambda counts: round(counts["parameters_keras"] * 4 / 1024, 2),
    "KiB, int8": lambda counts: round(counts["parameters_keras"] / 1024, 2),
    "KiB, pruned": lambda counts: round(counts["parameters_keras"] * 4 * 0.5 / 1024, 2),
    "KiB, half precision": lambda counts: round(counts["parameters"] * 2 / 1024, 2),
}
CLAIMS = [(name, key, claim) for name, system in SYSTEMS.items() for key, claim in system.claims.items()]
IDS = [f"{name}-{key}" for name, key, _ in CLAIMS]
EVERY_CLAIM = pytest.mark.parametrize(("name", "key", "claim"), CLAIMS, ids=IDS)


@cache
def counted(name: str) -> dict[str, Any]:
    """The system's counts, and torchinfo's own of its macs."""
    system = SYSTEMS[name]
    features = system.frontend.build().eval()(torch.zeros(1, system.window_samples))
    network = system.model.build().eval()
    compressed = any(spec.target.compresses for spec in system.recipe)
    counts = count_complexity(network, features, system.task.window_s, fold(network) if compressed else None)
    summary = torchinfo.summary(network, input_data=features, verbose=0)
    return counts | {"torchinfo": summary.total_mult_adds, "torchinfo parameters": summary.total_params}


@EVERY_CLAIM
def test_claim_says_where_it_is_from_and_why_it_was_not_run(name, key, claim):
    assert claim.published, f"{name}: {key} says no published figure"
    assert claim.source, f"{name}: {key} says no source; name the section or table"
    assert claim.reached is not None or claim.why, f"{name}: {key} was not reached and does not say why"


@EVERY_CLAIM
def test_reached_figure_is_recounted(name, key, claim):
    if claim.reached is None:
        return
    assert key in RECOUNTED, f"{name} says it reaches {key} and no test recounts it"
    counts = counted(name)
    reached = RECOUNTED[key](counts)
    assert reached == claim.reached, f"{name} has {reached:,} {key}; its file says {claim.reached:,}"
    if key == "macs":
        assert counts["torchinfo"] == claim.reached
    if key == "parameters":
        assert counts["torchinfo parameters"] == claim.reached


@pytest.mark.parametrize("name", SYSTEMS)
def test_system_claims_its_size_and_work(name):
    assert {"parameters", "macs"} <= set(SYSTEMS[name].claims), "every system says its parameters and macs"
