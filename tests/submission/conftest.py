"""Small packages of every edition: ten files instead of the real thousands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyscene.evaluate.metrics import measure
from tinyscene.evaluate.predictions import Predictions
from tinyscene.submission import EDITIONS, Edition, Inference2025, SystemEntry, build_meta
from tinyscene.submission.package import device_complexity, measured_accuracy
from tinyscene.submission.years import DEVICES, DEVICES_2025

COUNTS = {
    "parameters": 61_148,
    "parameters_nonzero": 61_000,
    "bytes": 122_296,
    "bytes_nonzero": 122_000,
    "bytes_nonzero_2020": 120_000,
    "macs": 29_419_156,
    "macs_per_s": 29_419_156,
}
# Of an int8 network: a byte a weight, four a bias
INT8 = COUNTS | {"bytes": 62_000, "bytes_nonzero": 61_900, "bytes_nonzero_2020": 61_900}
DESCRIPTION = {key: "words" for edition in EDITIONS.values() for key in (*edition.description, "input_channels")}


@pytest.fixture(params=list(EDITIONS))
def edition(request: pytest.FixtureRequest) -> Edition:
    """Every edition, with ten files in its evaluation set."""
    return replace(EDITIONS[request.param], rows=10)


@pytest.fixture
def author() -> dict[str, Any]:
    """What an author file holds."""
    affiliation = {"abbreviation": "TAU", "institute": "Tampere", "department": "Audio", "location": "Finland"}
    person = {"lastname": "Smith", "firstname": "Ann", "email": "ann@example.org", "affiliation": affiliation}
    return {
        "submission": {
            "name": "A small system",
            "abbreviation": "small",
            "authors": [person | {"corresponding": True}, person | {"firstname": "Bo"}],
        },
        "system": {"source_code": None, "inference_code": "https://example.org/code"},
    }


@cache
def weights_of(n: int, half: bool = True, **networks: int) -> bytes:
    """A checkpoint with a general network of n parameters, others of so many, and batch norm's statistics."""
    import torch

    from tinyscene.submission.inference_2025 import container_weights

    def network(n: int) -> dict[str, torch.Tensor]:
        return {"conv.weight": torch.ones(n - 10), "norm.bias": torch.ones(10), "norm.running_mean": torch.ones(10)}

    return container_weights({name: network(n) for name, n in {"general": n, **networks}.items()}, half)


def figures_of(classes: tuple[str, ...]) -> dict[str, Any]:
    """Figures of a small development set: every class on every device, three of four right."""
    n = 4 * len(DEVICES) * len(classes)
    target = np.arange(n) % len(classes)
    probabilities = np.full((n, len(classes)), 0.1 / (len(classes) - 1))
    answer = np.where(np.arange(n) // len(classes) % 4 == 3, (target + 1) % len(classes), target)
    probabilities[np.arange(n), answer] = 0.9
    devices = [DEVICES[i // (4 * len(classes))] for i in range(n)]
    return measure(Predictions(classes, probabilities, target, devices=devices), n_bootstrap=2)


@pytest.fixture
def measured() -> Callable[..., dict[str, Any]]:
    """measured(classes) -> figures of evaluate.measure."""
    return figures_of


@pytest.fixture
def made() -> Callable[..., dict[str, Any]]:
    """A meta file: made(year, author, complexity=..., results=...)."""

    def make(year: str, author: dict[str, Any], **changes: Any) -> dict[str, Any]:
        edition = EDITIONS[year]
        results = dict.fromkeys(edition.results or ("",), figures_of(edition.classes))
        counts = INT8 if year == "2022" else COUNTS
        given = {"description": DESCRIPTION, "complexity": counts, "results": results} | changes
        return build_meta(edition, f"Smith_TAU_{edition.task}_1", author, **given)

    return make


@pytest.fixture
def predicted(tmp_path: Path) -> Callable[..., Path]:
    """Writes a predictions CSV of ours: predicted(classes, n, shuffled=False, seed=1)."""

    def write(classes: tuple[str, ...], n: int, shuffled: bool = False, seed: int = 1) -> Path:
        probabilities = np.random.default_rng(seed).dirichlet(np.ones(len(classes)), n)
        files = [f"audio/{i}.wav" for i in range(n)]
        if shuffled:
            classes = classes[::-1]
        path = tmp_path / f"predictions-{n}-{shuffled}-{seed}.csv"
        Predictions(classes, probabilities, np.full(n, -1), files=files).write_csv(path)
        return path

    return write


@pytest.fixture
def entry(author: dict[str, Any], predicted: Callable[..., Path]) -> Callable[..., SystemEntry]:
    """Makes a system that can be sent: entry(edition, number=1)."""

    def make(edition: Edition, number: int = 1) -> SystemEntry:
        label = f"Smith_TAU_{edition.task}_{number}"
        figures = figures_of(edition.classes)
        results = dict.fromkeys(edition.results or ("",), figures)
        counts = INT8 if edition.year == "2022" else COUNTS
        meta = build_meta(edition, label, author, DESCRIPTION | {"num_models_at_inference": 1}, counts, results)
        outputs = enumerate(split for split, _ in edition.outputs)
        predictions = {split: predicted(edition.classes, edition.rows, seed=i) for i, split in outputs}
        more = {}
        if edition.extras:
            more = {
                "complexity": device_complexity(dict.fromkeys(DEVICES_2025, (29_419_156, 122_296))),
                "test_accuracy": measured_accuracy(figures),
                "inference": Inference2025(label, "any", edition.classes, weights_of(61_148)),
            }
        return SystemEntry(label, meta, predictions, **more)

    return make
