"""The frozen form of a system: out-of-range fields are refused, `--set` reaches every number, files are found."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from tinyscene.errors import SettingError
from tinyscene.system import Inference, Task
from tinyscene.systems import load_system, system_file, systems

SYSTEM = load_system("dsmn-1")
MINE = """
from tinyscene.systems.wang2023 import DSMN_1
A = DSMN_1.but(name="a")
"""


def message(call) -> str:
    with pytest.raises(SettingError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Task(("a", "b"), channels="left"), "Task.channels takes 'mean' or 'first'; 'left' came."),
        (lambda: Task(("a", "b"), window_s=0.0), "a window of 1 sample or more; 44100 and 0.0 came."),
        (lambda: Task(("a", "b"), sample_rate_hz=0), "a window of 1 sample or more; 0 and 1.0 came."),
        (lambda: Inference(average="logits"), "Inference.average takes 'probabilities'; 'logits' came."),
        (lambda: Inference(group_weight=1.0), "Inference.group_weight takes 0 up to below 1; 1.0 came."),
    ],
)
def test_fields_out_of_range_are_refused(make, text):
    assert message(make).endswith(text)


def test_a_system_is_frozen():
    with pytest.raises(FrozenInstanceError):
        SYSTEM.name = "other"  # type: ignore[misc]


def test_parts_are_not_spelled_on_the_command_line():
    with pytest.raises(SettingError, match=r"augment\.wave takes parts, or \(\) for none; 'gain' came\. To add parts"):
        SYSTEM.with_settings({"augment.wave": "gain"})


def test_settings_reach_every_kind_of_part():
    made = SYSTEM.with_settings(
        {
            "model.dropout": "0.1",
            "recipe.fit.epochs": "3",
            "recipe.1.optimizer.lr": "0.5",
            "recipe.fit.optimizer.weight_decay": "0.01",
            "frontend.spectral.n_mels": "64",
            "frontend.spectral.mel_norm": "none",
            "augment.bands.mixup.alpha": "1",
            "augment.features": "()",
            "inference.group_weight": "0",
            "task.window_s": "2",
        }
    )
    assert made.model.numbers["dropout"] == 0.1
    assert made.recipe[0].numbers["epochs"] == 3
    assert made.recipe[0].numbers["optimizer"].numbers["weight_decay"] == 0.01
    assert made.recipe[1].numbers["optimizer"].numbers["lr"] == 0.5
    assert made.frontend.numbers["spectral"].numbers["n_mels"] == 64
    assert made.frontend.numbers["spectral"].numbers["mel_norm"] is None
    assert made.augment.bands[0].numbers["alpha"] == 1.0
    assert made.augment.features == ()
    assert made.inference.group_weight == 0.0
    assert made.window_samples == 88_200
    assert load_system("dsmn-1") == SYSTEM


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("modle.dropout", "1", "dsmn-1 has no field 'modle'; it takes name, report, task,"),
        ("model.droput", "1", "Did you mean 'dropout'?"),
        ("recipe.fitt.epochs", "1", "dsmn-1.recipe has no part 'fitt'; it takes fit, int8. Did you mean 'fit'?"),
        ("model", "1", "dsmn-1.model is a part, not a number; set one of its fields: n_classes,"),
        ("recipe.fit.epochs", "none", "dsmn-1.recipe.fit.epochs takes a whole number (now 100); 'none' came."),
        ("inference.group_weight", "1.5", "Inference.group_weight takes 0 up to below 1; 1.5 came."),
        ("model.dropout.rate", "1", "dsmn-1.model.dropout is 0.3 and has no fields"),
    ],
)
def test_settings_that_do_not_fit_are_told(path, text, told):
    assert told in message(lambda: SYSTEM.with_settings({path: text}))


def test_every_system_is_found_by_its_name_and_its_file_defines_it():
    for name, system in systems().items():
        assert system.name == name
        assert load_system(name) == system
        assert f'name="{name}"' in system_file(name).read_text(encoding="utf-8")


def test_unknown_system_is_told_with_the_closest_match():
    text = message(lambda: load_system("dsmn1"))
    assert text.startswith("tinyscene has no system 'dsmn1'; it takes ")
    assert "Did you mean 'dsmn-1'?" in text
    assert message(lambda: system_file("dsmn1")) == text


def test_a_file_of_ones_own_is_loaded(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    assert load_system(str(file)).name == "a"
    assert load_system(f"{file}:a").name == "a"
    assert system_file(f"{file}:a") == file
    assert message(lambda: load_system(f"{file}:b")) == f"{file} has no system 'b'; it takes a."


def test_a_file_with_several_systems_asks_which(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE + 'B = A.but(name="b")\n')
    assert message(lambda: load_system(str(file))) == f"{file} defines a, b; choose one: {file}:a"
    assert load_system(f"{file}:b").name == "b"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "does not exist; write one with: tinyscene new mine --from dsmn-1"),
        ("x = 1", "defines no System; write one with: tinyscene new mine --from dsmn-1"),
        ("x = (", "cannot be read as a system: SyntaxError"),
        ("import not_there_at_all", "cannot be read as a system: ModuleNotFoundError"),
        (
            "from tinyscene.spec import Spec\nfrom tinyscene.models import DSMN\nx = Spec(DSMN, hiden=3)",
            "DSMN has no argument 'hiden'",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path, text, told):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    assert told in message(lambda: load_system(str(file)))
