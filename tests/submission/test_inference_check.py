"""The module of an inference package is held to the organisers' calls; it is parsed and never run."""

from __future__ import annotations

import pytest

from tinyscene.submission import Inference2025, inference_files
from tinyscene.submission.inference_check import module_problems, project_problems, source_problems

GOOD = """
def predict(file_paths, device_ids, model_file_path=None): ...
def load_model(path=None): ...
def load_inputs(files, devices, model): ...
def get_model_for_device(model, id): ...
"""


def test_the_shapes_of_the_rules_and_our_own_module_pass():
    assert module_problems(GOOD.encode()) == []
    files = inference_files([Inference2025("Smith_TAU_task1_1", "any", ("x",), b"")])
    ours = files["Smith_TAU_task1/Smith_TAU_task1_1.py"]
    assert isinstance(ours, str)
    assert module_problems(ours.encode()) == []
    assert project_problems(str(files["pyproject.toml"]).encode()) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("def predict(", "def guess(", "the function predict(file_paths, device_ids, model_file_path=None) is missing"),
        ("def load_model(path=None): ...", "", "load_model(path=None) is missing; define it in this module"),
        ("def load_inputs(files, devices, model): ...", "load_inputs = 3", "load_inputs"),
        (
            "def load_inputs",
            "async def load_inputs",
            "line 4: load_inputs must be a plain function, it is an async one",
        ),
        ("file_paths, device_ids", "paths, devices", "line 2: predict(paths, devices, model_file_path=None) cannot be"),
        (", model_file_path=None", "", "line 2: predict(file_paths, device_ids) cannot be called as predict("),
        ("model_file_path=None", "model_file_path", "line 2: predict(file_paths, device_ids, model_file_path) cannot"),
        ("model_file_path=None", "model_file_path=None, *, cuda", "line 2: predict("),
        ("(path=None", "(path", "line 3: load_model(path) cannot be called as load_model(path=None)"),
        ("(path=None", "(", "line 3: load_model() cannot be called"),
        ("(path=None", "(*, path=None", "line 3: load_model(*, path=None) cannot be called"),
        ("files, devices, model", "files, devices", "line 4: load_inputs(files, devices) cannot be called"),
        ("files, devices, model", "files, devices, model, rate", "line 4: load_inputs(files, devices, model, rate)"),
        ("(model, id)", "(model)", "line 5: get_model_for_device(model) cannot be called"),
    ],
)
def test_other_shapes_are_told_with_their_line(old, new, told):
    assert old in GOOD
    (problem,) = module_problems(GOOD.replace(old, new).encode())
    assert told in problem


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("model_file_path=None", "model_file_path=None, use_cuda=False, *, batch=8, **more"),
        ("file_paths, device_ids, model_file_path=None", "*args, **kwargs"),
        ("(model, id)", "(model: object, id: str = 'a', /) -> object"),
        ("files, devices, model", "*all"),
        ("def load_model", "@cache\ndef load_model"),
    ],
)
def test_shapes_that_can_be_called_so(old, new):
    assert module_problems(GOOD.replace(old, new).encode()) == []


@pytest.mark.parametrize(
    "text",
    [
        "def predict(:",
        "junk junk",
        "x = 1\x00",
        "(" * 5_000,
        b"\xff\xfe\x00",
        "# coding: none\n",
        "x = " + "-" * 100_000,
    ],
)
def test_what_is_no_python(text):
    source = text if isinstance(text, bytes) else text.encode()
    for problems in (module_problems(source), source_problems(source)):
        assert len(problems) == 1
        assert problems[0].startswith("no Python")


def test_nothing_is_run(tmp_path):
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\nimport tinyscene.nothing_such\n"
    assert module_problems((trap + GOOD).encode()) == []
    assert not (tmp_path / "ran").exists()
    assert "more than" in module_problems(b"#" * 1_000_001)[0]


def test_project_files():
    assert project_problems(b'[project]\nname = "x"\n') == []
    assert project_problems(b"[project") != []
    assert "with a name" in project_problems(b"[tool.x]\n")[0]
    assert "with a name" in project_problems(b'project = "x"\n')[0]
    assert "no TOML" in project_problems(b"\xff")[0]
