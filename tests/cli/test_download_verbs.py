"""The verbs that fetch: what they print, in which order, and with which exit code."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tinyscene.cli.download_verbs import VERBS, amount
from tinyscene.data.packages import KnownSet, Package, known_sets
from tinyscene.errors import DataError, SettingError

SET = "TAU-urban-acoustic-scenes-2022-mobile-development"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """`tinyscene data WORDS`, where tau2022-mobile is one archive that lies in tmp_path already."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{SET}/meta.csv", "filename\tscene_label\naudio/a.wav\tbus\n")
        archive.writestr(f"{SET}/audio/a.wav", b"1")
    name, content = f"{SET}.audio.1.zip", out.getvalue()
    (tmp_path / name).write_bytes(content)
    package = Package("audio", name, len(content), hashlib.md5(content).hexdigest(), f"https://nowhere.invalid/{name}")
    sets = {**known_sets(), "tau2022-mobile": KnownSet("tau2022-mobile", "Small", "free", SET, "1", (package,))}
    for place in ("tinyscene.data.packages.known_sets", "tinyscene.data.check.known_sets"):
        monkeypatch.setattr(place, lambda: sets)
    app = typer.Typer()
    for verb in VERBS:
        app.command(name=verb.__name__)(verb)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_get_shows_the_licence_first_and_the_next_command_last(data, tmp_path):
    answer = data("get", "tau2022-mobile", "--to", tmp_path)
    assert answer.exit_code == 0
    assert answer.stdout == f"{tmp_path / SET}\n"
    lines = answer.stderr.splitlines()
    assert lines[:3] == ["Small", "licence: free", "from: https://zenodo.org/records/1"]
    assert lines[3] == f"{SET}.audio.1.zip: 2 files, MD5 agrees; the archive was there before and stays"
    assert lines[-1] == f"next: tinyscene data check {tmp_path}"
    answer = data("check", tmp_path)
    assert answer.exit_code == 0
    assert "clips: 1 listed, 1 on disk\nwhole\n" in answer.stdout


def test_check_of_a_set_that_lacks_something_exits_with_1_and_says_what_to_do(data, tmp_path):
    data("get", "tau2022-mobile", "--to", tmp_path)
    (tmp_path / SET / "audio" / "a.wav").unlink()
    answer = data("check", tmp_path / SET)
    assert answer.exit_code == 1
    assert "1 of 2 files gone or cut, first audio/a.wav" in answer.stdout
    assert "listed, not on disk: 1: audio/a.wav" in answer.stdout
    assert answer.stderr == f"next: tinyscene data get tau2022-mobile --to {tmp_path}\n"


def test_the_list_has_every_set_with_its_size_and_licence(data):
    answer = data("get", "--list")
    for known in known_sets().values():
        line = next(line for line in answer.stdout.splitlines() if line.startswith(f"{known.name} "))
        assert known.licence in line or known.name == "tau2022-mobile"
    assert "35.5 GB" in answer.stdout
    assert "645.7 MB" in answer.stdout
    assert not Path("data").exists()


def test_what_cannot_be_fetched_is_told(data, tmp_path):
    assert isinstance(data("get").exception, SettingError)
    answer = data("get", "tau2024-mobile-evaluation", "--to", tmp_path)
    assert isinstance(answer.exception, DataError)
    assert "its Zenodo record is not known here" in str(answer.exception)


@pytest.mark.parametrize(("n", "text"), [(0, "0 B"), (999, "999 B"), (16_819, "16.8 kB"), (27_503_592_469, "27.5 GB")])
def test_amounts_are_short(n, text):
    assert amount(n) == text
