"""What 2025 adds: every file by itself, and the counts that must agree with each other and with the weights."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import pytest
import torch

from tinyscene.submission import EDITIONS, build_package, check_package
from tinyscene.submission.inference_2025 import container_weights
from tinyscene.submission.years import DEVICES_2025

EDITION = replace(EDITIONS["2025"], rows=10)
FOLDER, INSIDE = "predictions/Smith_TAU_task1_1", "inference/Smith_TAU_task1"
META, MODULE = f"{FOLDER}/Smith_TAU_task1_1.meta.yaml", f"{INSIDE}/Smith_TAU_task1_1.py"
COMPLEXITY, ACCURACY = f"{FOLDER}/complexity.json", f"{FOLDER}/test_accuracy.json"
WEIGHTS, COPY = f"{FOLDER}/model_state_dict.pt", f"{INSIDE}/ckpts/Smith_TAU_task1_1.pt"
FACTS = f"{INSIDE}/resources/Smith_TAU_task1_1.json"


@pytest.fixture
def found(entry, tmp_path):
    """found({place: new content or change}) -> what the check says of a package changed so."""
    good = tmp_path / "good.zip"
    build_package(EDITION, [entry(EDITION)], good)
    with zipfile.ZipFile(good) as package:
        files = {name: package.read(name) for name in package.namelist()}

    def check(changes):
        path = tmp_path / "changed.zip"
        with zipfile.ZipFile(path, "w") as package:
            for name, content in (files | {name: b"" for name in changes if name not in files}).items():
                change = changes.get(name, content)
                new: Any = change(content) if callable(change) else change
                if new is not None:
                    package.writestr(name, new)
        return check_package(path, EDITION)

    return check


def rows(change):
    """A change of a JSON file's content."""

    def changed(content):
        content = json.loads(content)
        change(content)
        return json.dumps(content).encode()

    return changed


def text(old, new):
    """A change of a text."""

    def changed(content):
        assert old.encode() in content
        return content.replace(old.encode(), new.encode())

    return changed


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def all_devices(content, **numbers):
    """Every device with these numbers, and the largest of them."""
    for row in content["per_device"].values():
        row.update(numbers)
    content.update({f"max_{key}": value for key, value in numbers.items()})


def test_a_good_package_passes(found):
    assert found({}) == []


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (COMPLEXITY, lambda c: c["per_device"].pop("s10"), "per_device.s10 is missing"),
        (COMPLEXITY, lambda c: c["per_device"]["a"].update(MACs=30_000_001), "a: 30,000,001 MACs/s exceed"),
        (COMPLEXITY, lambda c: c["per_device"]["b"].update(Params=128_001), "b: 128,001 bytes exceed"),
        (COMPLEXITY, lambda c: c["per_device"]["b"].update(Params="x"), "MACs and Params must be numbers"),
        (
            COMPLEXITY,
            lambda c: c["per_device"]["b"].update(Params=0),
            "b: Params is 0; the official script sees nothing",
        ),
        (COMPLEXITY, lambda c: c.update(per_device=[1]), "per_device must be an object"),
        (COMPLEXITY, lambda c: c.update(max_MACs=1), "max_MACs is 1; the largest of the devices is 29419156"),
        (COMPLEXITY, lambda c: c.pop("max_Params"), "complexity.json: max_Params missing"),
        (COMPLEXITY, lambda c: c.clear(), "a JSON object is needed"),
        (ACCURACY, lambda c: c.clear(), "a JSON object is needed"),
        (ACCURACY, lambda c: c.pop("Overall_Test_Accuracy"), "test_accuracy.json: Overall_Test_Accuracy missing"),
        (ACCURACY, lambda c: c["Class_Wise_Accuracy"].pop("bus"), "Class_Wise_Accuracy: bus missing"),
        (ACCURACY, lambda c: c["Device_Wise_Accuracy"].pop("s6"), "Device_Wise_Accuracy: s6 missing"),
        (ACCURACY, lambda c: c.update(Device_Wise_Accuracy=3), "Device_Wise_Accuracy must be an object of numbers"),
        (ACCURACY, lambda c: c.update(Macro_Average_Accuracy="75"), "Macro_Average_Accuracy: a number is needed, 75"),
        (ACCURACY, lambda c: c.update(Macro_Average_Accuracy=120), "Macro_Average_Accuracy: per cent, 0 to 100"),
        (
            ACCURACY,
            lambda c: c.update(Overall_Test_Accuracy=0.75, Macro_Average_Accuracy=0.7),
            "is given as a fraction (0.75 at most)",
        ),
    ],
)
def test_json_files(name, change, told, found):
    problems = found({name: rows(change)})
    assert len(problems) == 1
    assert told in problems[0]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (COMPLEXITY, b"{", "no JSON"),
        (COMPLEXITY, b"[1]", "a JSON object is needed"),
        (ACCURACY, b"\xef\xbb\xbf{}", "a byte order mark (BOM) stands before it"),
        (ACCURACY, b"[" * 100_000, "no JSON"),
        (ACCURACY, b"\xff", "no JSON"),
        (WEIGHTS, b"junk", "no PyTorch checkpoint"),
        (WEIGHTS, b"", "no PyTorch checkpoint"),
        (COPY, b"junk", f"{COPY}: no PyTorch checkpoint"),
        (COPY, saved({"general.conv.weight": torch.zeros(61_148).half()}), "other weights than in"),
        (COPY, None, f"{COPY} is missing"),
        (MODULE, b"junk junk", f"{MODULE}: no Python: line 1"),
        (MODULE, b"x = 1", "the function predict(file_paths, device_ids, model_file_path=None) is missing"),
        (f"{INSIDE}/more.py", b"def", "more.py: no Python"),
        (f"{INSIDE}/__init__.py", None, "__init__.py is missing"),
        ("inference/pyproject.toml", b"junk", "pyproject.toml: no TOML"),
        ("inference/pyproject.toml", b"", "pyproject.toml: [project] with a name is needed"),
        (FACTS, b"junk", "no JSON"),
        (FACTS, rows(lambda c: c.pop("system")), f"{FACTS}: system missing or changed; make the package anew"),
        (FACTS, rows(lambda c: c["classes"].pop()), f"{FACTS}: classes missing or changed"),
    ],
)
def test_junk(name, content, told, found):
    problems = found({name: content})
    assert any(told in problem for problem in problems), problems


@pytest.mark.parametrize("name", [MODULE, WEIGHTS, COMPLEXITY, ACCURACY, META, "inference/pyproject.toml"])
def test_files_that_are_missing(name, found):
    assert any(f"{name} is missing" in problem for problem in found({name: None}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {META: text("total_model_size: 122296", "total_model_size: 122295")},
            "total_model_size 122,295, complexity.json",
        ),
        ({META: text("macs: 29419156", "macs: 29419157")}, "macs 29,419,157, complexity.json max_MACs 29,419,156"),
        (
            {META: text("total_parameters: 61148", "total_parameters: 61147")},
            "total_parameters 61,147; the largest network",
        ),
        (
            {
                META: text("total_model_size: 122296", "total_model_size: 61148"),
                COMPLEXITY: rows(lambda c: all_devices(c, Params=61_148)),
            },
            "per_device.s10: Params is 61,148; the network 'general' in model_state_dict.pt has 122,296 bytes",
        ),
    ],
)
def test_counts_that_contradict(changes, told, found):
    problems = found(changes)
    assert any(told in problem for problem in problems), problems


def test_a_network_for_a_device_is_counted_by_itself(found):
    def network(n):
        return {"conv.weight": torch.ones(n), "norm.running_var": torch.ones(9)}

    weights = container_weights({"general": network(61_148), "s2": network(100)}, half=True)
    problems = found({WEIGHTS: weights, COPY: weights})
    assert len(problems) == 1
    assert "per_device.s2: Params is 122,296; the network 's2' in model_state_dict.pt has 200 bytes" in problems[0]
    own = rows(lambda c: c["per_device"]["s2"].update(Params=200))
    assert found({WEIGHTS: weights, COPY: weights, COMPLEXITY: own}) == []


def test_buffers_are_not_counted(found):
    weights = container_weights({"general": {"w": torch.ones(61_148), "window": torch.ones(400)}}, half=True)
    both = {WEIGHTS: weights, COPY: weights}
    assert "has 123,096 bytes" in found(both)[0]
    assert found(both | {FACTS: rows(lambda c: c.update(buffers=["window"]))}) == []


@pytest.mark.parametrize(
    ("n", "dtype", "models", "good"),
    [
        (61_148, torch.float16, 1, True),
        (61_148, torch.float32, 1, True),  # halved as it is loaded
        (61_148, torch.int8, 1, True),  # of packed integers the numbers are known, their bytes are not
        (30_000, torch.float32, 1, False),
        (200_000, torch.float16, 1, False),
        (200_000, torch.float16, 4, True),  # several networks in one file
        (10_000_000, torch.float16, 4, False),
    ],
)
def test_weights_that_are_kept_another_way(n, dtype, models, good, found):
    """Other teams' files: as many numbers as the networks that are told of can have."""
    weights = saved({"state_dict": {"w": torch.ones(n, dtype=dtype)}})
    described = text("num_models_at_inference: 1", f"num_models_at_inference: {models}")
    problems = found({WEIGHTS: weights, COPY: weights, META: described})
    assert (problems == []) is good, problems
    assert good or f"model_state_dict.pt holds {n:,} numbers" in problems[0]


def test_all_devices_are_asked_for(found):
    assert len(DEVICES_2025) == 13
    problems = found({COMPLEXITY: rows(lambda c: c["per_device"].clear())})
    assert len([problem for problem in problems if "is missing" in problem]) == 13
