"""The table of editions is held to the published counts and to the label rule of the validators."""

from __future__ import annotations

import pytest

from tinyscene.errors import SettingError
from tinyscene.evaluate.limits import LIMITS
from tinyscene.submission import EDITIONS, edition_of


def test_rows_classes_and_outputs_are_the_validators():
    rows = {year: edition.rows for year, edition in EDITIONS.items()}
    assert rows == {
        "2020a": 11_880,
        "2020b": 8_640,
        "2021a": 7_920,
        "2022": 118_800,
        "2023": 118_800,
        "2024": 135_730,
        "2025": None,
    }
    assert EDITIONS["2020b"].columns == ("filename", "scene_label", "indoor", "outdoor", "transportation")
    assert len(EDITIONS["2022"].columns) == 12
    assert list(EDITIONS["2022"].classes) == sorted(EDITIONS["2022"].classes)
    assert [name for _, name in EDITIONS["2024"].outputs] == [
        f"{{label}}.output.split_{split}.csv" for split in (5, 10, 25, 50, 100)
    ]


def test_every_limit_is_a_rule_that_is_known():
    assert {name for edition in EDITIONS.values() for name in edition.limits} <= {limit.year for limit in LIMITS}


@pytest.mark.parametrize(
    ("year", "label", "good"),
    [
        ("2020a", "Smith_TAU_task1a_1", True),
        ("2020b", "Smith_TAU_task1a_1", False),
        ("2022", "Smith_TAU_task1_4", True),
        ("2022", "Smith_TAU_task1_5", False),
        ("2022", "Smith_TAU_task1_0", False),
        ("2022", "Smith_TAU_task1a_1", False),
        ("2022", "Smith_X_TAU_task1_1", False),
        ("2022", "Smith_task1_1", False),
        ("2022", "../x_TAU_task1_1", False),
        ("2022", "Smith_TAU_task1_1\n", False),
    ],
)
def test_labels(year, label, good):
    assert (EDITIONS[year].check_label(label) == "") is good


def test_labels_of_a_package():
    edition = EDITIONS["2022"]
    assert edition.check_labels([f"Smith_TAU_task1_{i}" for i in (1, 2, 3, 4)]) == []
    assert "1 to 4 systems" in edition.check_labels([])[0]
    assert any("twice" in problem for problem in edition.check_labels(["Smith_TAU_task1_1"] * 2))
    assert any("Jones" in problem for problem in edition.check_labels(["Smith_TAU_task1_1", "Jones_TAU_task1_2"]))


def test_edition_of():
    assert edition_of("2021").year == "2021a"
    assert edition_of("2020B").year == "2020b"
    with pytest.raises(SettingError, match="2020a"):
        edition_of("2020")
    with pytest.raises(SettingError, match="2019"):
        edition_of("2019")
