"""check_limits: each year's rule holds up to its number and not one further; known systems of the challenge pass."""

from __future__ import annotations

from typing import Any

import pytest

from tinyscene.evaluate import check_limits


def verdicts(**counts: int) -> dict[tuple[str, str], bool | None]:
    return {(row["year"], row["unit"]): row["ok"] for row in check_limits(counts)}


@pytest.mark.parametrize(
    ("year", "unit", "key", "limit"),
    [
        ("2020 1B", "bytes", "bytes_nonzero_2020", 512_000),
        ("2021 1A, kB", "bytes", "bytes_nonzero", 128_000),
        ("2021 1A, KiB", "bytes", "bytes_nonzero", 131_072),
        ("2022", "parameters", "parameters", 128_000),
        *((year, "bytes", "bytes", 128_000) for year in ("2023", "2024", "2025")),
        *((year, "MACs/s", "macs_per_s", 30_000_000) for year in ("2022", "2023", "2024", "2025")),
    ],
)
def test_a_limit_holds_up_to_its_number(year: str, unit: str, key: str, limit: int) -> None:
    assert verdicts(**{key: limit})[year, unit] is True
    assert verdicts(**{key: limit + 1})[year, unit] is False


def test_every_year_is_there_once_per_rule_and_in_order() -> None:
    rows = check_limits({})
    assert [row["year"] for row in rows] == [
        "2020 1B",
        "2021 1A, kB",
        "2021 1A, KiB",
        "2022",
        "2022",
        "2023",
        "2023",
        "2024",
        "2024",
        "2025",
        "2025",
    ]
    assert all(set(row) == {"year", "rule", "limit", "value", "unit", "ok"} for row in rows)


def test_what_was_not_counted_is_neither_pass_nor_over() -> None:
    assert all(row["ok"] is None and row["value"] is None for row in check_limits({}))


def test_zeros_are_free_in_2021_and_counted_from_2023_on() -> None:
    pruned: dict[str, Any] = {"bytes": 400_000, "bytes_nonzero": 100_000}
    assert verdicts(**pruned)["2021 1A, KiB", "bytes"] is True
    assert verdicts(**pruned)["2023", "bytes"] is False


def test_all_bytes_stand_in_for_unknown_non_zero_bytes_only_to_pass() -> None:
    assert verdicts(bytes=120_000)["2021 1A, KiB", "bytes"] is True
    over = next(row for row in check_limits({"bytes": 200_000}) if row["year"] == "2021 1A, KiB")
    assert over["ok"] is None
    assert over["value"] == 200_000
    assert "all bytes are held against it" in over["rule"]


def test_the_baselines_of_2022_and_2024_keep_their_years_limits() -> None:
    baseline_2022 = verdicts(parameters=45_990, bytes=46_512, macs_per_s=29_234_920)
    baseline_2024 = verdicts(parameters=61_148, bytes=122_296, macs_per_s=29_419_156)
    assert (baseline_2022["2022", "parameters"], baseline_2022["2022", "MACs/s"]) == (True, True)
    assert (baseline_2024["2024", "bytes"], baseline_2024["2024", "MACs/s"]) == (True, True)
