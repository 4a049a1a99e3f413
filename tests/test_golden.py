"""No system moves unseen: each is compared with its golden fingerprint (golden/make.py makes them)."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tinyscene.frontends import LogMel
from tinyscene.systems import systems

SYSTEMS = systems()


def golden() -> Any:
    """golden/make.py as a module."""
    spec = importlib.util.spec_from_file_location("make_golden", Path(__file__).parent / "golden" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GOLDEN = golden()

# Relative; of losses the first, and those behind a step. Measured on all systems. On one thread torch's and oneDNN's
# kernels for SSE and AVX2, and oneDNN off, move features by 0, losses by 8e-7 and 7e-5, the norm of the weights' way by
# 1e-4. Maps that are not channels_last move losses by 6e-7 and 7e-4, but for pham-cnn and dcase2022-baseline, whose
# dropout draws in the order of memory. Two threads: 1e-9, 4e-4, 2e-3 and 3e-4. Without PCGrad the ways double.
TOLERANCE = {"feature cell": 1e-4, "rate": 1e-6, "loss 0": 1e-3, "loss": 3e-3, "way": 2e-2}


def differences(name: str, stored: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """A line for each figure that moved: system, figure, what is stored, what was found."""
    lines = []

    def told(figure: str, before: Any, now: Any, what: str = "") -> None:
        lines.append(f"{name}: {figure} was {before}, is {now}{what}")

    def near(figure: str, before: float, now: float, tolerance: float, scale: float) -> None:
        if not abs(now - before) <= tolerance * max(abs(before), scale):  # nan is not near
            told(figure, f"{before:.7g}", f"{now:.7g}", f" (tolerance {tolerance:g})")

    def each(figure: str, before: list[float], now: list[float], scale: float = 0.0) -> None:
        if len(before) != len(now):
            told(f"number of {figure}s", len(before), len(now))
        for i, (one, other) in enumerate(zip(before, now, strict=False)):
            near(f"{figure} {i}", one, other, TOLERANCE.get(f"{figure} {i}", TOLERANCE[figure]), scale)

    for group, what in (("parts", "hash of "), ("counts", "")):
        for key in stored[group] | found[group]:
            before, now = (own[group].get(key, "not there") for own in (stored, found))
            if before != now:
                told(f"{what}{key}", before, now)
    before, now = stored["features"], found["features"]
    if before["shape"] != now["shape"]:
        told("shape of the features", before["shape"], now["shape"])
    for key in ("mean", "deviation"):
        near(f"{key} of the features", before[key], now[key], TOLERANCE["feature cell"], before["deviation"])
    each("feature cell", before["cells"], now["cells"], before["deviation"])
    each("rate", stored["rates"], found["rates"], max(stored["rates"]))
    if same_chance(stored, found):
        each("loss", stored["steps"]["losses"], found["steps"]["losses"])
        each("way", stored["steps"]["ways"], found["steps"]["ways"])
    return lines


def same_chance(stored: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether dropout draws here as it drew where the fingerprint was made: else steps cannot be compared."""
    return stored["steps"]["chance"] == found["steps"]["chance"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the clips lie, once for all systems."""
    return tmp_path_factory.mktemp("golden")


def renew(name: str) -> str:
    return f"if this was wanted: python tests/golden/make.py {name}"


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_as_it_was(name: str, folder: Path):
    path = GOLDEN.path_of(name)
    assert path.is_file(), f"{name} has no golden fingerprint yet; make it: python tests/golden/make.py {name}"
    stored, found = json.loads(path.read_text()), GOLDEN.fingerprint(SYSTEMS[name], folder)
    lines = differences(name, stored, found)
    assert not lines, "\n".join([*lines, renew(name)])
    if not same_chance(stored, found):
        pytest.skip("torch draws other chance here than where the fingerprint was made: its steps are not compared")


def test_no_fingerprint_is_left_over():
    stray = [path.name for path in GOLDEN.strays()]
    assert not stray, f"{', '.join(stray)}: no such system; delete them with: python tests/golden/make.py"


CHANGES = [
    (("parts", "recipe.0.fit"), "0", "dsmn-1: hash of recipe.0.fit was 0, is "),
    (("counts", "macs"), 8_645_642, "dsmn-1: macs was 8645642, is 8645641"),
    (("features", "shape"), [2, 256, 43], "dsmn-1: shape of the features was [2, 256, 43], is [2, 256, 44]"),
    (("features", "deviation"), 1.001, "dsmn-1: deviation of the features was 1.001, is 1.000022 (tolerance 0.0001)"),
    (("features", "cells"), [9.0], "dsmn-1: number of feature cells was 1, is 8"),
    (("rates",), [5e-5], "dsmn-1: number of rates was 1, is 4"),
    (("steps", "losses"), [1.0, 1.0, 1.0], "dsmn-1: loss 0 was 1, is "),
    (("steps", "ways"), [1.0, 1.0], "dsmn-1: way 0 was 1, is "),
]


@pytest.mark.parametrize(("place", "value", "line"), CHANGES, ids=[place[-1] for place, _, _ in CHANGES])
def test_every_figure_that_moves_is_told(place: tuple[str, ...], value: Any, line: str):
    found = json.loads(GOLDEN.path_of("dsmn-1").read_text())
    stored = deepcopy(found)
    inner = stored
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    assert any(told.startswith(line) for told in differences("dsmn-1", stored, found))
    assert differences("dsmn-1", found, found) == []


def moved_parts(before: dict[str, str], now: dict[str, str]) -> list[str]:
    return [key for key in before | now if before.get(key) != now.get(key)]


@pytest.mark.parametrize(
    ("setting", "text", "part"),
    [
        ("augment.bands.mixup.full_epochs", "61", "augment.bands.0.mixup"),
        ("recipe.int8.optimizer.lr", "1", "recipe.1.int8"),
        ("inference.group_weight", "0.3", "inference"),
        ("task.window_s", "2", "task"),
        ("model.hidden", "99", "model"),
    ],
)
def test_a_changed_number_shows_in_its_part_alone(setting: str, text: str, part: str):
    system = SYSTEMS["dsmn-1"]
    assert moved_parts(GOLDEN.parts(system), GOLDEN.parts(system.with_settings({setting: text}))) == [part]


def test_a_changed_default_shows(monkeypatch: pytest.MonkeyPatch):
    before = GOLDEN.parts(SYSTEMS["dsmn-1"])
    defaults = LogMel.__init__.__defaults__
    assert defaults is not None
    assert defaults[-1] == 2.0  # power
    monkeypatch.setattr(LogMel.__init__, "__defaults__", (*defaults[:-1], 1.0))
    assert moved_parts(before, GOLDEN.parts(SYSTEMS["dsmn-1"])) == ["frontend"]
