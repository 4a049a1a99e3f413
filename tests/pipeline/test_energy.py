"""Kilowatt-hours: added up where training goes on, written anew for inference; codecarbon is an extra."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from tinyscene.errors import MissingExtraError
from tinyscene.pipeline import measured_energy, read_energy


class Meter:
    """In the place of codecarbon's tracker: a kilowatt-hour each."""

    def __init__(self, **settings: object):
        assert settings["save_to_file"] is False
        self.final_emissions_data = SimpleNamespace(energy_consumed=1.0)

    def start(self) -> None: ...

    def stop(self) -> None: ...


@pytest.fixture
def meter(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "codecarbon", SimpleNamespace(OfflineEmissionsTracker=Meter))


def test_training_adds_up_and_inference_is_measured_anew(meter, tmp_path):
    for what in ("training", "training", "inference", "inference"):
        with measured_energy(tmp_path, what):
            pass
    assert read_energy(tmp_path) == {"training": 2.0, "inference": 1.0}


def test_what_was_interrupted_was_spent_too(meter, tmp_path):
    with pytest.raises(KeyboardInterrupt), measured_energy(tmp_path, "training"):
        raise KeyboardInterrupt
    assert read_energy(tmp_path) == {"training": 1.0}


def test_half_an_evaluation_is_no_measure(meter, tmp_path):
    with measured_energy(tmp_path, "inference"):
        pass
    (tmp_path / "energy.json").write_text('{"inference": 0.5}')
    with pytest.raises(KeyboardInterrupt), measured_energy(tmp_path, "inference"):
        raise KeyboardInterrupt
    assert read_energy(tmp_path) == {"inference": 0.5}


def test_a_run_that_is_gone_is_not_made_again(meter, tmp_path):
    with measured_energy(tmp_path / "gone", "training"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("", {}),
        ("[1]", {}),
        ("[" * 100_000, {}),
        ('{"training": 0.5, "inference": "much", "more": NaN, "less": -1, "yes": true}', {"training": 0.5}),
        ('{"training": Infinity, "inference": 1}', {"inference": 1}),
    ],
)
def test_files_that_were_changed(meter, tmp_path, text, known):
    (tmp_path / "energy.json").write_text(text)
    assert read_energy(tmp_path) == known
    with measured_energy(tmp_path, "training"):
        pass
    assert read_energy(tmp_path) == known | {"training": known.get("training", 0) + 1.0}


def test_nothing_is_measured_unless_wanted(tmp_path):
    with measured_energy(tmp_path, "training", wanted=False):
        pass
    assert read_energy(tmp_path) == {}


def test_without_codecarbon_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with pytest.raises(MissingExtraError, match=r"\.\[energy\]"), measured_energy(tmp_path, "training"):
        pass
