"""Shortened recipes: what counts epochs shrinks, at any depth, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from torch.optim import SGD

from tinyscene.augment import Mixup, Pix2pix
from tinyscene.errors import SettingError
from tinyscene.pipeline.scaling import scaled_epochs
from tinyscene.spec import Spec
from tinyscene.system import Augment
from tinyscene.systems import load_system, systems
from tinyscene.train import CosineRestarts, CosineWarmup, Fit
from tinyscene.train.pix2pix_fit import Pix2PixSettings


def numbers(value: Any, path: str = "") -> dict[str, Any]:
    """Every number of a system's parts by its dotted path, defaults filled in."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in numbers(item, f"{path}.{key}").items()}
    if isinstance(value, list):
        return {k: v for i, item in enumerate(value) for k, v in numbers(item, f"{path}.{i}").items()}
    return {path: value}


def parts(system) -> dict[str, Any]:
    places = {place: [spec.constants() for spec in specs] for place, specs in vars(system.augment).items()}
    return numbers({"recipe": [spec.constants() for spec in system.recipe], "augment": places})


def test_the_reports_numbers_by_hand():
    short = scaled_epochs(load_system("dsmn-1"), 0.02)
    assert [stage.numbers["epochs"] for stage in short.recipe] == [2, 1]  # 100, 10
    assert [stage.numbers["schedule"].numbers["warmup_epochs"] for stage in short.recipe] == [1, 0]  # 5, 0
    assert short.augment.bands[0].numbers["full_epochs"] == 1  # 60
    teacher = scaled_epochs(load_system("mini-segnet"), 0.1).recipe[0]
    assert (teacher.numbers["epochs"], teacher.numbers["schedule"].numbers["first_epochs"]) == (31, 1)


def test_every_depth_defaults_and_tuples():
    class Stage:
        """Numbers that count epochs and numbers that do not."""

        def __init__(self, inner, warm_epochs=30, cut_epochs=(10, 20), epochs_seen=30, mean_epochs=None, epochs=0):
            pass

    stage = Spec(Stage, inner=(Spec(Fit, epochs=50, batch_size=8, optimizer=Spec(SGD), schedule=Spec(CosineRestarts)),))
    system = load_system("dsmn-1").but(recipe=(stage,), augment=Augment(hidden=(Spec(Mixup, full_epochs=7),)))
    short = scaled_epochs(system, 0.1)
    inner = short.recipe[0].numbers["inner"][0]
    assert inner.numbers["epochs"] == 5
    assert inner.numbers["schedule"].numbers == {"first_epochs": 1}
    assert inner.numbers["batch_size"] == 8
    assert short.recipe[0].numbers | {"inner": ()} == {"inner": (), "warm_epochs": 3, "cut_epochs": (1, 2)}
    assert short.augment.hidden[0].numbers["full_epochs"] == 1


def test_the_training_of_a_generator_shrinks_written_down_or_not():
    written = Spec(Pix2pix, training=Spec(Pix2PixSettings, epochs=50))
    system = load_system("dsmn-1").but(
        augment=Augment(bands=(written,), features=(Spec(Pix2pix), Spec(Pix2pix, p=0.0)))
    )
    augment = scaled_epochs(system, 0.1).augment
    settings = [spec.fields["training"] for spec in (*augment.bands, *augment.features)]
    assert [own and own.build().epochs for own in settings] == [5, 2, None]  # of 50, of the default 20; not used


@pytest.mark.parametrize("name", systems())
def test_nothing_else_shrinks_and_every_stage_can_be_built(name: str):
    system = load_system(name)
    before = json.dumps(parts(system), default=str)
    short = scaled_epochs(system, 0.02)
    assert json.dumps(parts(system), default=str) == before, "the published system itself was changed"
    old, new = parts(system), parts(short)
    assert old.keys() == new.keys()
    for path, value in old.items():
        counts = path.rpartition(".")[2] == "epochs" or path.endswith("_epochs")
        if counts and value:
            assert new[path] == max(1, round(value * 0.02)), path
        else:
            assert new[path] == value, path
    assert short.but(recipe=system.recipe, augment=system.augment) == system
    for spec in short.recipe:
        spec.build()


def test_at_scale_1_it_is_the_system():
    assert scaled_epochs(load_system("dsmn-1"), 1) == load_system("dsmn-1")


@pytest.mark.parametrize("scale", [0, -0.1, 1.01, float("nan"), float("inf")])
def test_another_scale_is_refused(scale: float):
    with pytest.raises(SettingError, match=r"the scale of epochs takes a number above 0, up to 1; .* came"):
        scaled_epochs(load_system("dsmn-1"), scale)


def test_a_warm_up_stays_within_its_stage():
    fit = Spec(
        Fit,
        epochs=30,
        batch_size=8,
        optimizer=Spec(SGD),
        schedule=Spec(CosineWarmup, warmup_epochs=30),
        select="mean",
        mean_epochs=29,
    )
    for scale in (0.01, 0.05, 0.3, 0.97):
        short = scaled_epochs(load_system("dsmn-1").but(recipe=(fit,)), scale).recipe[0].fields
        assert 1 <= short["mean_epochs"] <= short["epochs"]
        assert short["schedule"].numbers["warmup_epochs"] == short["epochs"]
