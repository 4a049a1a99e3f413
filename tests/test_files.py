"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tinyscene.errors import OutputError
from tinyscene.files import write_whole


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "result.txt"
    path.write_text("old")
    return path


@pytest.mark.parametrize("data", ["text, ü", b"bytes", memoryview(b"view")])
def test_what_is_written_is_read_and_nothing_lies_beside_it(old: Path, data):
    write_whole(old, data)
    assert old.read_bytes() == (data.encode() if isinstance(data, str) else bytes(data))
    assert list(old.parent.iterdir()) == [old]


def test_a_full_disk_leaves_the_old_file_and_no_rest(old: Path, monkeypatch):
    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError) as caught:
        write_whole(old, "new")
    assert str(caught.value) == (
        f"{old} cannot be written: No space left on device. Check that the folder exists, may be written and has "
        "3 bytes free, or choose another place."
    )
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_an_interrupt_leaves_the_old_file_and_no_rest(old: Path, monkeypatch):
    def stopped(source: object, target: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_whole(old, "new")
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_a_missing_folder_is_told(tmp_path: Path):
    with pytest.raises(OutputError, match="No such file or directory"):
        write_whole(tmp_path / "nowhere" / "result.txt", "new")
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_not_utf8_keep_their_bytes(tmp_path: Path):
    write_whole(tmp_path / "list.csv", os.fsdecode(b"caf\xe9.wav"))
    assert (tmp_path / "list.csv").read_bytes() == b"caf\xe9.wav"
