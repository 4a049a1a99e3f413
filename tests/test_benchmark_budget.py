"""The benchmark of equal CPU minutes: a shortened stage's learning rate goes the way of the recipe's, to its end."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

import tinyscene
from tinyscene.system import System

SCRIPT = Path(tinyscene.__file__).parents[2] / "benchmarks" / "esc10_networks.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    before = dict(os.environ)
    spec = importlib.util.spec_from_file_location("esc10_networks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)  # it imports a neighbour
        spec.loader.exec_module(module)
    os.environ.clear()  # the script asks for one thread, this process is not its own
    os.environ.update(before)
    return module


def first_stage(name: str) -> System:
    system = tinyscene.load_system(name)
    return system.but(recipe=system.recipe[:1])


def rates(system: System) -> list[float]:
    """The learning rate of each epoch of the first stage."""
    stage = system.recipe[0].build()
    return [stage.schedule.lr(epoch, stage.epochs, stage.optimizer.fields["lr"]) for epoch in range(stage.epochs)]


@pytest.mark.parametrize("holds", [*range(1, 80), 200, 309, 310, 1000])
def test_restarts_end_with_the_stage(bench: ModuleType, holds: int):
    system = first_stage("mini-segnet")
    epochs = bench.affordable(system, holds + 0.9)
    assert 0.9 * min(holds, 310) <= epochs <= min(holds, 310)
    lr = rates(bench.shortened(system, epochs))
    assert len(lr) == epochs
    starts = [i for i, rate in enumerate(lr) if rate == 0.1]
    lengths = [b - a for a, b in zip(starts, [*starts[1:], epochs], strict=True)]
    assert lengths == [lengths[0] * 2**i for i in range(len(lengths))], "a cycle was cut off"
    assert len(lengths) <= 5, "the recipe has five cycles (report 000, section 3.1)"


def test_published_length_is_the_recipe_itself(bench: ModuleType):
    for name in bench.SYSTEMS:
        system = first_stage(name)
        epochs = system.recipe[0].fields["epochs"]
        assert bench.affordable(system, 1e9) == epochs, "no network trains longer than its recipe says"
        assert rates(bench.shortened(system, epochs)) == rates(system)


def test_five_cycles_where_they_fit(bench: ModuleType):
    system = first_stage("mini-segnet")
    lr = rates(bench.shortened(system, bench.affordable(system, 64)))
    assert [i for i, rate in enumerate(lr) if rate == 0.1] == [0, 2, 6, 14, 30]  # 62 epochs: a fifth of 310 each


def test_all_that_counts_epochs_shrinks_alike(bench: ModuleType):
    system = bench.shortened(first_stage("dsmn-1"), 20)  # of 100
    assert system.recipe[0].fields["schedule"].fields["warmup_epochs"] == 1  # of 5
    assert system.augment.bands[0].fields["full_epochs"] == 12  # of 60


@pytest.mark.parametrize(("holds", "epochs"), [(0.2, 1), (1.99, 1), (17.5, 17)])
def test_epochs_never_take_more_than_the_budget_but_one(bench: ModuleType, holds: float, epochs: int):
    assert bench.affordable(first_stage("pham-cnn"), holds) == epochs


def test_settings_fit_their_systems(bench: ModuleType):
    for name, settings in bench.SYSTEMS.items():
        stage = first_stage(name).with_settings(settings).recipe[0].build()
        assert not stage.taught, f"{name} would ask for a teacher"
