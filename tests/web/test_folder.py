"""The page as a folder: whole, replaced whole, and never over what is someone else's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tinyscene.errors import OutputError
from tinyscene.web.folder import LIST, write_folder

FILES = {"index.html": b"<p>", "assets/a.js": b"1", "model.onnx": b"\x08"}


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_folder(tmp_path):
    write_folder(FILES, tmp_path / "a" / "page")
    found = tree(tmp_path / "a" / "page")
    assert json.loads(found.pop(LIST))["files"] == sorted(FILES)
    assert found == FILES
    assert os.listdir(tmp_path / "a") == ["page"]
    assert (tmp_path / "a" / "page").stat().st_mode & 0o055 == 0o055  # a web server may read it


def test_an_empty_or_older_one(tmp_path):
    folder = tmp_path / "page"
    folder.mkdir()
    write_folder({**FILES, "assets/old.js": b"0"}, folder)
    write_folder(FILES, folder)
    assert set(tree(folder)) == {*FILES, LIST}
    assert os.listdir(tmp_path) == ["page"]


@pytest.mark.parametrize("first", [True, False])
def test_what_is_someone_elses_stays(tmp_path, first):
    folder = tmp_path / "page"
    if first:
        write_folder(FILES, folder)
    folder.mkdir(exist_ok=True)
    (folder / "notes.txt").write_text("mine")
    before = tree(folder)
    with pytest.raises(OutputError, match=r"holds notes\.txt, which is not of such a page"):
        write_folder(FILES, folder)
    assert tree(folder) == before


def test_a_file_of_that_name(tmp_path):
    (tmp_path / "page").write_text("mine")
    with pytest.raises(OutputError, match="holds a file's name"):
        write_folder(FILES, tmp_path / "page")
    assert (tmp_path / "page").read_text() == "mine"


def test_a_full_disk_leaves_the_older_page(tmp_path, monkeypatch):
    folder = tmp_path / "page"
    write_folder(FILES, folder)
    before = tree(folder)
    real = os.replace

    def replace(source, target):
        if Path(source).name == "new":
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OutputError, match="No space left on device"):
        write_folder({**FILES, "index.html": b"new"}, folder)
    assert tree(folder) == before
    assert os.listdir(tmp_path) == ["page"]
