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
    with pytest.raises(OutputError, match="page is a file; a new or empty folder"):
        write_folder(FILES, tmp_path / "page")
    assert (tmp_path / "page").read_text() == "mine"


def test_a_full_disk_leaves_the_older_page(tmp_path, monkeypatch):
    folder = tmp_path / "page"
    write_folder(FILES, folder)
    before = tree(folder)
    real = os.replace

    def replace(source, target):
        if Path(source).parent.name == "new" and Path(target).name == "model.onnx":
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OutputError, match=r"No space left on device\. Free some room or choose another place"):
        write_folder({**FILES, "index.html": b"new"}, folder)
    assert tree(folder) == before
    assert os.listdir(tmp_path) == ["page"]


def test_the_folder_stays_the_same_one(tmp_path, monkeypatch):
    """A shell may stand in it: --export ."""
    folder = tmp_path / "page"
    folder.mkdir()
    folder.chmod(0o750)
    before = folder.stat()
    monkeypatch.chdir(folder)
    for _ in "ab":
        write_folder(FILES, Path())
        assert (folder.stat().st_ino, folder.stat().st_mode) == (before.st_ino, before.st_mode)
        assert Path.cwd() == folder
        assert set(tree(folder)) == {*FILES, LIST}
        assert sorted(os.listdir(folder)) == sorted({*(name.partition("/")[0] for name in FILES), LIST})


def test_what_is_foreign_is_not_walked(tmp_path, monkeypatch):
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / LIST).write_text('{"files": ["linked/a"]}')
    monkeypatch.setattr(Path, "rglob", lambda *_: pytest.fail("walked"))
    with pytest.raises(OutputError, match="holds deep, which is not of such a page"):
        write_folder(FILES, tmp_path)
    (tmp_path / "deep" / "deeper").rmdir()
    (tmp_path / "deep").rmdir()
    (tmp_path / "linked").symlink_to("/")
    with pytest.raises(OutputError, match="holds linked, which"):
        write_folder(FILES, tmp_path)


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    def iterdir(_):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(OutputError, match=r"cannot be written: No such file or directory\. Choose another place"):
        write_folder(FILES, tmp_path)


def test_a_link_to_nothing(tmp_path):
    (tmp_path / "page").symlink_to("nowhere")
    with pytest.raises(OutputError, match="page is a link to nothing; a new or empty folder"):
        write_folder(FILES, tmp_path / "page")
