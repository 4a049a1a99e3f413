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


def test_nothing_is_measured_unless_wanted(tmp_path):
    with measured_energy(tmp_path, "training", wanted=False):
        pass
    assert read_energy(tmp_path) == {}


def test_without_codecarbon_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with pytest.raises(MissingExtraError, match=r"tinyscene\[energy\]"), measured_energy(tmp_path, "training"):
        pass
