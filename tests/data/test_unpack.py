"""Archives whose members cannot all be written, or would be written elsewhere: refused before the first file."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest

from tinyscene.data.unpack import Damaged, unpack
from tinyscene.errors import DataError


def archive_of(tmp_path: Path, *names: str, method: int = zipfile.ZIP_STORED) -> Path:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(name, name * 20)
    return path


def refused(archive: Path, folder: Path, words: str) -> None:
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(DataError, match=f"is refused, nothing was unpacked: {words}") as caught:
        unpack(archive, folder, Event())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("names", [("x", "a", "a/b"), ("x", "a/b", "a"), ("x", "d/e", "set/d/e/f/g")])
def test_a_member_that_is_another_members_folder_is_refused(tmp_path, names):
    refused(archive_of(tmp_path, *names), tmp_path / "set", "1 of its members, each a file and the folder")


def test_names_as_long_as_they_may_be_are_written_and_longer_ones_refused(tmp_path):
    # two bytes each in UTF-8: what counts is bytes
    for name in ("n" * 255, "\u00e9" * 127 + "e"):
        made = unpack(archive_of(tmp_path, f"set/{name}"), tmp_path / "set", Event())
        assert made == {name: len((f"set/{name}" * 20).encode())}
        assert (tmp_path / "set" / name).is_file()
    for name in ("n" * 256, "\u00e9" * 128, "f" * 256 + "/x", "d/" * 2048 + "x"):
        refused(archive_of(tmp_path, "first", name), tmp_path / "set", "1 of its members, each with a name of more")


@pytest.mark.parametrize("inside", [False, True])
def test_nothing_is_written_through_a_link(tmp_path, inside):
    other = tmp_path / "set" / "other" if inside else tmp_path / "other"
    other.mkdir(parents=True)
    (tmp_path / "set").mkdir(exist_ok=True)
    (tmp_path / "set" / "audio").symlink_to(other)
    refused(archive_of(tmp_path, "first", "audio/deep/x.wav"), tmp_path / "set", "nothing is written through links")
    assert not list(other.iterdir())


def test_a_link_in_the_place_of_a_file_is_replaced_and_its_target_stays(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "x").symlink_to(tmp_path / "mine")
    unpack(archive_of(tmp_path, "x"), tmp_path / "set", Event())
    assert (tmp_path / "mine").read_text() == "mine"
    assert (tmp_path / "set" / "x").read_text() == "x" * 20


def test_the_sets_own_folder_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "set").symlink_to(tmp_path / "disk")
    unpack(archive_of(tmp_path, "set/a/x"), tmp_path / "set", Event())
    assert (tmp_path / "disk" / "a" / "x").is_file()


@pytest.mark.parametrize("name", ["a/b", "a"])
def test_a_file_where_a_folder_has_to_be_and_the_reverse(tmp_path, name):
    there = tmp_path / "set" / "a"
    there.parent.mkdir()
    there.write_text("mine") if "/" in name else there.mkdir()
    refused(
        archive_of(tmp_path, "first", name), tmp_path / "set", ".* has files where it has folders, or folders where"
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bytes_that_are_wrong_are_told_whatever_packed_them(tmp_path, method):
    whole = archive_of(tmp_path, "a", "b" * 40, method=method).read_bytes()
    for at in range(0, len(whole), 3):
        (tmp_path / "set.zip").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with suppress(DataError):  # some bytes say nothing of the content: times, attributes
            unpack(tmp_path / "set.zip", tmp_path / "set", Event())
    assert not list((tmp_path / "set").glob(".*"))
    (tmp_path / "set.zip").write_bytes(whole[:-30])
    with pytest.raises(Damaged, match=r"set\.zip is damaged"):
        unpack(tmp_path / "set.zip", tmp_path / "set", Event())
