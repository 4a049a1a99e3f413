from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def copy(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the narrow system, trained and compressed by its recipe, to be compressed further."""
    folder = tmp_path_factory.mktemp("compress") / "run"
    shutil.copytree(run, folder)
    return folder


@pytest.fixture(scope="module")
def made(copy: Path, tinyscene: Command) -> Any:
    return tinyscene("compress", copy, "--to", "prune,ptq", "--sparsity", "0.5", "--limit", "dcase2023", "--json")


def test_says_what_it_will_do_and_what_came_of_it(made: Any, copy: Path):
    assert made.code == 0, made.err
    assert "1. prune from fit (standard, by the numbers of fit): epochs 1, batch_size 16" in made.err
    assert "sparsity 0.5" in made.err
    assert "2. prune-ptq from prune" in made.err
    result = json.loads(made.out)
    steps = {row["step"]: row for row in result["steps"]}
    assert list(steps) == ["fit", "folded", "prune", "prune-ptq"]
    evaluated = json.loads((copy / "evaluation.json").read_text())
    assert steps["fit"]["accuracy"] == evaluated["stages"]["fit"]["accuracy"]
    assert steps["fit"]["log_loss"] == pytest.approx(evaluated["stages"]["fit"]["log_loss"])
    assert steps["folded"]["log_loss"] == pytest.approx(steps["fit"]["log_loss"], abs=1e-4)
    assert steps["prune"]["parameters_nonzero"] < 0.75 * steps["fit"]["parameters_nonzero"]
    assert steps["prune-ptq"]["parameters_nonzero"] <= steps["prune"]["parameters_nonzero"]  # zeros are kept
    assert steps["prune-ptq"]["bytes"] < steps["fit"]["bytes"] / 3
    assert all(row["ms"] > 0 for row in result["steps"])
    assert [row["ok"] for row in result["limits"]] == [True, True]
    assert set(result["stays_float"]) == {"prune-ptq"}


def test_the_run_knows_what_was_added(made: Any, copy: Path, tinyscene: Command):
    exported = tinyscene("export", copy)
    assert exported.code == 0, exported.err
    assert exported.out.strip().endswith("narrow-prune-ptq-features.onnx")
    again = tinyscene("compress", copy, "--to", "prune,ptq")
    assert again.code == 2
    assert "compressed already (prune, prune-ptq)" in again.err
    assert f"; delete {copy / 'prune'} and {copy / 'prune-ptq'} to do it again, or say --resume" in again.err
    assert again.err.count("\n") == 1


def test_over_a_limit_is_exit_code_1_with_the_way_out(
    made: Any, copy: Path, tinyscene: Command, untimed: None, monkeypatch: Any
):
    from dataclasses import replace

    from tinyscene.evaluate import limits

    tight = [replace(row, limit=700 if row.unit == "bytes" else row.limit) for row in limits.LIMITS]
    monkeypatch.setattr(limits, "LIMITS", tight)
    answer = tinyscene("compress", copy, "--to", "fp16", "--limit", "2023")
    assert answer.code == 1, answer.err
    assert "2023: fp16 has" in answer.out
    assert "700 are allowed: OVER" in answer.out
    assert f"next: tinyscene compress {copy} --to cut,int8 --target-parameters " in answer.out


def test_what_each_layer_costs(made: Any, copy: Path, tinyscene: Command):
    answer = tinyscene("compress", copy, "--analyse", "--json")
    assert answer.code == 0, answer.err
    result = json.loads(answer.out)
    every, *layers = result["layers"]
    with (copy / "sensitivity.csv").open() as file:
        assert [row["layer"] for row in csv.DictReader(file)] == ["(all)", *(row["layer"] for row in layers)]
    assert every["layer"] == "(all)"
    assert len({row["layer"] for row in layers}) == len(layers) > 5
    assert [row["divergence"] for row in layers] == sorted((row["divergence"] for row in layers), reverse=True)
    assert all(row["divergence"] >= -1e-12 for row in layers)
    for name in (layers[0]["layer"], layers[-1]["layer"], "(all)"):
        (row,) = (row for row in result["layers"] if row["layer"] == name)
        assert row["divergence"] == pytest.approx(_divergence(copy, result["stage"], name), rel=1e-3, abs=1e-9)


def _divergence(run: Path, stage: str, layer: str) -> float:
    """The long way: the whole network from its first layer on, with all but one in float; the float network itself."""
    import torch
    import torchao.quantization.pt2e as pt2e
    from torch.nn.functional import kl_div

    from tinyscene.cli.run_verbs import opened
    from tinyscene.compress import prepared as quantised
    from tinyscene.compress.calibrate import Calibrate, calibrate, plain_clips
    from tinyscene.pipeline.recipe import stages_of
    from tinyscene.pipeline.sensitivity import quantised_layers
    from tinyscene.pipeline.stages import restore
    from tinyscene.train import Machine

    prepared, _ = opened(run)
    (own,) = (one for one in stages_of(prepared.system) if one.name == stage)
    job = prepared.job(Calibrate(validation_share=own.validation_share), run, False, Machine("cpu", "32-true"), False)
    network = restore(prepared, run, own)
    graph = quantised(network, job.example)
    clips = [x for x, _ in plain_clips(job, 256)]
    calibrate(graph, clips)
    if layer != "(all)":
        graph.apply(pt2e.disable_fake_quant)
        for module in quantised_layers(graph)[layer][0]:
            module.apply(pt2e.enable_fake_quant)
    with torch.no_grad():
        answers = [
            torch.stack([prepared.decide(one(x)).double().mean(0) for x in clips]) for one in (graph, network.eval())
        ]
    said, expected = (answer / answer.sum(1, keepdim=True) for answer in answers)
    return float(kl_div(said.log(), expected, reduction="batchmean"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "int4"), "int8, ptq, fp16, prune, cut"),
        (("--to", "cut"), "--target-parameters N"),
        (("--to", "cut", "--limit", "dcase2023"), "keeps the limits of dcase2023 uncut"),
        (("--to", "ptq", "--epochs", "2"), "--epochs: none of ptq has it"),
        (("--to", "ptq", "--set", "recipe.fit.epochs=2"), "what was trained stays"),
        (("--to", "ptq", "--limit", "dcase1999"), "dcase2020, dcase2021"),
        (("--analyse", "--to", "ptq"), "--analyse compresses nothing"),
        (("--analyse", "--resume"), "--analyse begins anew each time; leave --resume away."),
        ((), "compressed already (int8)"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(copy: Path, tinyscene: Command, words: tuple[str, ...], said: str):
    before = (copy / "run.json").read_bytes()
    answer = tinyscene("compress", copy, *words)
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert (copy / "run.json").read_bytes() == before


def test_a_step_listens_to_the_network_it_was_made_of(run: Path, tmp_path: Path, tinyscene: Command):
    own = tmp_path / "run"
    shutil.copytree(run, own)
    answer = tinyscene("compress", own, "--to", "prune", "--epochs", 1, "--teacher", own)
    assert answer.code == 0, answer.err
    assert "teacher_weight 0.5" in answer.err
    assert len((own / "teacher.csv").read_text().splitlines()) == 1 + 70  # a row a training clip
    answer = tinyscene("compress", own, "--to", "int8", "--teacher", own, "--epochs", 1)
    assert answer.code == 2
    answer = tinyscene("compress", own, "--to", "fp16", "--teacher", own)
    assert answer.code == 2  # fp16 trains nothing
    assert "--teacher: none of fp16 has it" in answer.err
