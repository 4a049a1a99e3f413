"""A small network that tells sounds well apart, in every precision, for the files that stand beside a card."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from tinyscene.compress import converted, fold, prepared
from tinyscene.export import Export
from tinyscene.spec import Spec
from tinyscene.system import System
from tinyscene.train import Decision


@pytest.fixture(scope="session")
def trained() -> Callable[[System, Spec, Decision], Callable[[str], tuple[Export, Tensor]]]:
    """trained(system, model, decide) trains a network on six waveforms, a tone in noise each, and gives a function.

    That takes a precision and gives the Export of the network in it, and the waveforms. Labels are smoothed, so that
    no probability is so near to 0 or 1 that what a file does wrong would not show.
    """

    def make(system: System, model: Spec, decide: Decision) -> Callable[[str], tuple[Export, Tensor]]:
        torch.manual_seed(0)
        network = model.build()
        seconds = torch.arange(system.window_samples) / system.window_samples
        tones = 0.3 * torch.sin(6.28 * torch.logspace(2.5, 4, 6)[:, None] * seconds)
        waveforms = tones + 0.02 * torch.randn(6, system.window_samples)
        features = system.frontend.build().eval()(waveforms)
        adam = torch.optim.Adam(network.train().parameters(), 0.02)
        for _ in range(60):
            adam.zero_grad()
            nn.functional.cross_entropy(network(features), torch.arange(6), label_smoothing=0.3).backward()
            adam.step()
        network.eval()

        @cache
        def ready(precision: str) -> tuple[Export, Tensor]:
            if precision == "int8":
                with torch.no_grad():
                    simulated = prepared(network, features[:2]).train()
                    for _ in range(4):
                        simulated(features)
                stored: nn.Module = converted(simulated).eval()
            else:
                stored = fold(network).eval()
                stored = stored.half().float() if precision == "float16" else stored
            return (
                Export("tiny", system, system.task.classes, stored, decide, precision, {}, {"accuracy": 0.5}),
                waveforms,
            )

        return ready

    return make
