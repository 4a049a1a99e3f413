"""The estimate is multiply-accumulates times cycles over clock, and says what it assumed."""

from __future__ import annotations

import pytest

from tinyscene.evaluate import estimate_boards
from tinyscene.evaluate.boards import BOARDS

COUNTS = {"macs_true": 12_000_000, "peak_activation_bytes": 300_000, "bytes": 50_000, "bytes_by_type": {"int8": 50_000}}


def test_seconds_are_macs_times_cycles_over_clock():
    for board, row in zip(BOARDS, estimate_boards([(COUNTS, 2.0)]), strict=True):
        assert row["cycles_per_mac"] == [board.cycles_int8]
        assert row["seconds"] == pytest.approx(12e6 * board.cycles_int8 / board.clock_hz)
        assert row["load"] == pytest.approx(row["seconds"] / 2)
        assert row["ram_fits"] == (board.ram_bytes >= 300_000)
        assert row["flash_fits"]


def test_float_networks_take_more_cycles_and_your_own_figure_goes_before_ours():
    of_float = COUNTS | {"bytes_by_type": {"float32": 200_000}}
    both = zip(estimate_boards([(of_float, 1.0)]), estimate_boards([(COUNTS, 1.0)]), strict=True)
    assert all(floating["seconds"] > integer["seconds"] for floating, integer in both)
    assert all(row["cycles_per_mac"] == [1.5] for row in estimate_boards([(of_float, 1.0)], 1.5))


def test_networks_that_run_one_after_another_add_their_loads_whatever_their_order():
    other = COUNTS | {"bytes_by_type": {"float32": 9}, "peak_activation_bytes": 1, "bytes": 7}
    alone = [estimate_boards([member])[0] for member in ((COUNTS, 1.0), (other, 5.0))]
    for members in ([(COUNTS, 1.0), (other, 5.0)], [(other, 5.0), (COUNTS, 1.0)]):
        row = estimate_boards(members)[0]
        assert row["load"] == pytest.approx(sum(one["load"] for one in alone))
        assert (row["ram_bytes"], row["flash_bytes"]) == (300_000, 50_007)
