"""Verbs about systems: listed, shown, copied, changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyscene import __version__, load_system
from tinyscene.errors import SettingError
from tinyscene.systems import systems


def test_systems_lists_both_variants(tinyscene):
    answer = tinyscene("systems")
    assert answer.code == 0
    assert "dsmn-1 " in answer.out
    assert "dsmn-1-sgd" in answer.out


def test_show_prints_numbers_claims_and_contradictions(tinyscene):
    answer = tinyscene("show", "dsmn-1")
    for text in ("frontend.spectral.n_fft", "4096", "45.1k", "45,164", "8,645,641", "overlap 25 %", "wang2023.py"):
        assert text in answer.out


def test_show_takes_overrides(tinyscene):
    line = next(x for x in tinyscene("show", "dsmn-1", "--set", "model.dropout=0.5").out.splitlines() if "dropout" in x)
    assert line.split() == ["model.dropout", "0.5"]


def test_new_writes_one_equal_system_that_loads(tinyscene, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = tinyscene("new", "mine", "--from", "dsmn-1-sgd")
    assert answer.code == 0
    assert load_system("./mine.py") == load_system("dsmn-1-sgd").but(name="mine")


def test_new_does_not_overwrite(tinyscene, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("precious")
    answer = tinyscene("new", "mine")
    assert answer.code == 2
    assert "exists already" in answer.err
    assert (tmp_path / "mine.py").read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("json", "a module of Python's"),
        ("json.py", "a module of Python's"),
        ("class", "a word of Python's own"),
        ("torch", "a Python library's name"),
        ("numpy", "a Python library's name"),
        ("tinyscene", "a Python library's name"),
        ("__main__", "a module of Python's"),
        ("dsmn-1", "a published system's name"),
    ],
)
def test_new_takes_no_name_that_means_something_else(tinyscene, tmp_path: Path, monkeypatch, name, what):
    monkeypatch.chdir(tmp_path)
    answer = tinyscene("new", name)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert f"is {what}" in answer.err
    assert not list(tmp_path.iterdir())


def test_unknown_system_gets_the_closest_name(tinyscene):
    answer = tinyscene("show", "dsnm-1")
    assert answer.code == 2
    assert "Did you mean 'dsmn-1'?" in answer.err


def test_a_file_of_that_name_is_pointed_at(tinyscene, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").touch()
    answer = tinyscene("show", "mine")
    assert answer.code == 2
    assert "has no system 'mine'; the file of that name is: ./mine.py" in answer.err


@pytest.mark.parametrize("name", [None, 3])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(SettingError, match=f"load_system takes a system's name or file; {name} came"):
        load_system(name)


def test_version_alone_and_before_a_verb(tinyscene):
    for words in (("--version",), ("--version", "systems")):
        answer = tinyscene(*words)
        assert (answer.code, answer.out) == (0, f"tinyscene {__version__}\n")


def test_unknown_setting_gets_the_closest_field(tinyscene):
    answer = tinyscene("show", "dsmn-1", "--set", "recipe.fit.epoch=3")
    assert answer.code == 2
    assert "Did you mean 'epochs'?" in answer.err


def test_setting_of_the_wrong_kind_is_refused(tinyscene):
    answer = tinyscene("show", "dsmn-1", "--set", "recipe.fit.epochs=many")
    assert answer.code == 2
    assert "takes a whole number (now 100); 'many' came" in answer.err


def test_a_system_file_with_a_slip_says_where(tinyscene, tmp_path: Path):
    path = tmp_path / "slip.py"
    path.write_text("from tinyscene.spec import Spec\nfrom tinyscene.models import DSMN\nX = Spec(DSMN, width=3)\n")
    answer = tinyscene("show", path)
    assert answer.code == 2
    assert "DSMN has no argument 'width'" in answer.err
    assert "Did you mean 'widths'?" in answer.err


def test_a_file_without_a_system_says_how_to_write_one(tinyscene, tmp_path: Path):
    (tmp_path / "empty.py").write_text("")
    answer = tinyscene("show", tmp_path / "empty.py")
    assert answer.code == 2
    assert "tinyscene new mine" in answer.err


@pytest.mark.parametrize("name", list(systems()))
def test_every_system_can_be_written_and_read_again(name, tinyscene, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tinyscene("new", "mine", "--from", name).code == 0
    assert load_system("./mine.py") == load_system(name).but(name="mine")
