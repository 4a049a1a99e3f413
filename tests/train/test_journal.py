"""The journal: one line an epoch; a cut line is dropped, a resumed epoch takes the place of its first try."""

from __future__ import annotations

import json

import pytest

from tinyscene.train import JOURNAL, read_journal
from tinyscene.train.journal import append_row

ROWS = [{"epoch": epoch, "loss": 2.0 - epoch / 8, "seconds": 1.5} for epoch in range(4)]


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / JOURNAL
    for row in ROWS:
        append_row(path, row)
    return path


def test_rows_come_back_as_they_went_in_one_line_each(journal):
    assert read_journal(journal) == ROWS
    assert [json.loads(line) for line in journal.read_text().splitlines()] == ROWS


def test_a_journal_that_is_not_there_has_no_rows(tmp_path):
    assert read_journal(tmp_path / JOURNAL) == []


@pytest.mark.parametrize("left", [1, 5, 20])
def test_half_a_line_is_dropped(journal, left):
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:3]) + lines[3][:left])
    assert read_journal(journal) == ROWS[:3]
    append_row(journal, ROWS[3])
    assert read_journal(journal) == ROWS


def test_a_resumed_epoch_replaces_its_line_and_those_after(journal):
    again = {"epoch": 2, "loss": 9.0, "seconds": 1.0}
    append_row(journal, again)
    assert read_journal(journal) == [*ROWS[:2], again]
