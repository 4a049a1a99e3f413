from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tinyscene import load_system
from tinyscene.compress import Half, Int8, fold, prepared
from tinyscene.compress.prune_channels import prune_channels
from tinyscene.errors import OutputError, SettingError
from tinyscene.evaluate import count_complexity
from tinyscene.pipeline import RunRecord, configured
from tinyscene.pipeline.compressing import Plan, check_free, numbers, planned, settled
from tinyscene.pipeline.run_folder import open_run, write_record
from tinyscene.pipeline.sensitivity import quantised_layers
from tinyscene.pipeline.standard_stages import standard_stage
from tinyscene.pipeline.weighing import fitting_target, held_against
from tinyscene.spec import Spec

RECORD = RunRecord("dsmn-1", "data", 1)


def road(name: str, *kinds: str) -> list[tuple[str, str]]:
    return [(step.name, step.base) for step in planned(load_system(name), RECORD, kinds).steps]


def test_cut_and_prune_are_a_road_and_the_others_its_ends():
    assert road("dsmn-1") == [("int8", "fit")]
    assert road("dsmn-1", "int8", "ptq", "fp16") == [("int8", "fit"), ("ptq", "fit"), ("fp16", "fit")]
    assert road("dsmn-1", "cut", "prune", "int8") == [
        ("cut", "fit"),
        ("cut-prune", "cut"),
        ("cut-prune-int8", "cut-prune"),
    ]
    assert road("dsmn-1", "int8", "prune") == [("int8", "fit"), ("prune", "fit")]


def test_stages_that_a_recipe_has_are_taken_where_they_start_there():
    assert road("pham-cnn", "prune", "int8") == [("pruned", "fit"), ("pruned-int8", "pruned")]
    assert road("mini-segnet-cut", "cut", "int8") == [("cut", "fit"), ("int8", "cut")]
    assert road("mini-segnet-cut", "int8") == [("fit-int8", "fit")]
    assert road("amfm", "fp16") == [("fp16", "distil")]
    plan = planned(load_system("pham-cnn"), RECORD, ["prune", "int8"])
    (spec,) = (spec for spec in configured(load_system("pham-cnn"), plan.record).recipe if spec.name == "pruned-int8")
    own = next(spec for spec in load_system("pham-cnn").recipe if spec.name == "int8")
    assert spec == own.but(name="pruned-int8", after="pruned")


def test_standard_numbers_are_those_that_report_001_compresses_with():
    system = load_system("dsmn-1")
    own = next(spec for spec in system.recipe if spec.target is Int8).fields
    made = standard_stage(system.but(recipe=system.recipe[:1]), "int8", "int8", "fit").fields
    for field in ("epochs", "batch_size", "optimizer", "loss", "pcgrad", "select", "validation_share"):
        assert made[field] == own[field], field
    for epoch in (0, 9):
        lr = own["schedule"].build().lr(epoch, 10, 1e-4)
        assert made["schedule"].build().lr(epoch, 10, 1e-4) == pytest.approx(lr)


def test_a_short_training_makes_short_steps_of_one_epoch_at_least():
    record = replace(RECORD, epochs_scale=0.02)
    plan = planned(load_system("dsmn-1"), record, ["prune"])
    assert numbers(configured(load_system("dsmn-1"), plan.record), "prune").startswith("epochs 1, batch_size 32")


def test_what_was_added_is_remembered_by_the_run(tmp_path: Path):
    system = load_system("dsmn-1")
    plan = settled(planned(system, RECORD, ["prune", "int8"]), system, tmp_path, {}, {"sparsity": 0.7}, False)
    write_record(tmp_path, plan.record)
    record = open_run(tmp_path)
    assert record == plan.record
    names = [spec.name for spec in configured(system, record).recipe]
    assert names == ["fit", "int8", "prune", "prune-int8"]
    assert configured(system, record).recipe[2].fields["sparsity"] == 0.7
    assert planned(system, record, ["prune", "int8"]).record.added == record.added  # once is enough
    assert [step.name for step in planned(system, record).steps] == ["int8"]  # the recipe's own, without what was added


@pytest.mark.parametrize(
    ("kinds", "said"),
    [(["int4"], "int8, ptq"), (["int8", "int8"], "twice"), (["prune", "cut"], "--to cut,prune")],
)
def test_kinds_that_cannot_be_made(kinds: list[str], said: str):
    with pytest.raises(SettingError, match=said):
        planned(load_system("dsmn-1"), RECORD, kinds)


def test_a_recipe_without_compressing_stages_asks_for_kinds():
    with pytest.raises(SettingError, match="--to int8"):
        planned(load_system("mini-segnet"), RECORD)


def plan_of(record: RunRecord, *kinds: str, **options: object) -> Plan:
    system = load_system("dsmn-1")
    return settled(planned(system, record, kinds), system, Path("run"), {}, options, False)


def test_settings_are_of_the_steps_alone_and_forgotten_when_done_anew():
    system = load_system("dsmn-1")
    with pytest.raises(SettingError, match="what was trained stays"):
        settled(planned(system, RECORD, ["int8"]), system, Path("run"), {"recipe.fit.epochs": "3"}, {}, False)
    with pytest.raises(SettingError, match="none of fp16 has it"):
        plan_of(RECORD, "fp16", epochs=3)
    first = plan_of(RECORD, "int8", "ptq", epochs=3)
    assert first.record.compress_settings == {"recipe.int8.epochs": "3"}
    assert plan_of(first.record, "ptq").record.compress_settings == {"recipe.int8.epochs": "3"}
    assert plan_of(first.record, "int8").record.compress_settings == {}


def test_resume_takes_the_settings_it_was_begun_with(tmp_path: Path):
    system, first = load_system("dsmn-1"), plan_of(RECORD, "int8", epochs=3)
    (tmp_path / "int8").mkdir()
    again = planned(system, first.record, ["int8"])
    assert settled(again, system, tmp_path, {}, {"epochs": 3}, True).record == first.record
    with pytest.raises(SettingError, match=r"begun with recipe\.int8\.epochs=3, 4 came"):
        settled(again, system, tmp_path, {}, {"epochs": 4}, True)


def test_nothing_finished_is_overwritten_nor_left_on_a_stage_made_anew(tmp_path: Path):
    system = load_system("dsmn-1")
    plan = plan_of(RECORD, "prune", "int8")
    system = configured(system, plan.record)
    check_free(plan, system, tmp_path, False)
    for name in ("fit", "prune-int8"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.pt").write_bytes(b"")
    with pytest.raises(OutputError, match=r"compressed already \(prune-int8\)"):
        check_free(plan, system, tmp_path, False)
    with pytest.raises(OutputError, match="was made from prune, which is to be made anew"):
        check_free(plan_of(plan.record, "prune"), system, tmp_path, False)
    with pytest.raises(OutputError, match="was made from prune, which is to be made anew"):
        check_free(plan, system, tmp_path, True)
    (tmp_path / "prune").mkdir()
    (tmp_path / "prune" / "weights.pt").write_bytes(b"")
    check_free(plan, system, tmp_path, True)


def wide() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU()),
        nn.Sequential(nn.Conv2d(64, 256, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(256, 10),
    ).eval()


@pytest.mark.parametrize("precision", ["int8", "float16"])
def test_the_target_of_a_limit_keeps_it_and_is_not_far_below(precision: str):
    network, example = wide(), torch.zeros(2, 1, 8, 8)

    def counted(network: nn.Module) -> dict[str, Any]:
        form = fold(network) if precision == "int8" else None
        return count_complexity(network, example[:1], 1.0, form, half=precision == "float16")

    assert any(row["ok"] is False for row in held_against("dcase2023", counted(network)))
    target = fitting_target(network, example, 1.0, "dcase2023", precision)
    assert set(target) == {"target_parameters"}
    counts = counted(prune_channels(network, example, target["target_parameters"]).network)
    assert all(row["ok"] for row in held_against("2023", counts))
    assert counts["bytes"] > 0.93 * 128_000


def test_too_many_macs_are_cut_by_macs_and_a_small_network_not_at_all():
    network = wide()
    example = torch.zeros(2, 1, 40, 40)
    assert fitting_target(network, example, 1.0, "dcase2023", "int8")["target_macs"] == 30_000_000
    small = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    assert fitting_target(small, example, 1.0, "dcase2023", "int8") == {}


def test_layers_of_a_graph_are_told_by_their_place():
    layers = quantised_layers(prepared(wide(), torch.zeros(2, 1, 8, 8)))
    assert {name: operations for name, (_, operations) in layers.items()} == {
        "0.0": "conv2d, relu",
        "1.0": "conv2d, relu",
        "2": "adaptive_avg_pool2d",
        "4": "linear",
    }


def test_a_stage_that_the_recipe_does_not_name_goes_by_its_own_name(tmp_path: Path):
    system = load_system("dsmn-1")
    system = system.but(recipe=(system.recipe[0], Spec(Half)))
    plan = planned(system, RECORD)
    assert plan.names == ["fp16"]
    assert [stage.name for stage in plan.stages(system)] == ["fp16"]
    assert numbers(system, "fp16") == "nothing to set"
    chosen = settled(plan, system, tmp_path, {"recipe.half.drop_groups": "false"}, {}, False)
    assert not configured(system, chosen.record).recipe[1].fields["drop_groups"]
