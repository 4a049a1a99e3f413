"""What to type next: every command that is told with a path can be copied, and every install hint works."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinyscene as package
from tinyscene.cli.app import app
from tinyscene.errors import command, install, missing_extra

SRC = Path(package.__file__).parent
VERBS = [str(getattr(verb.callback, "__name__", "")).strip("_").replace("_", "-") for verb in app.registered_commands]
COMMAND = re.compile(
    rf"tinyscene ({'|'.join((*VERBS, *(group.name or '' for group in app.registered_groups)))}) [^`]*$"
)
QUOTED = ("command", "quote", "install")
PLAIN = {"system.name", "ending[1:]"}  # words without a space


def test_a_command_is_split_into_its_words_again():
    words = ["tinyscene", "export", "my runs/it's $HOME", "--stage", "int8"]
    assert shlex.split(command(*words[1:])) == words
    assert command("classify", Path("a/b.onnx"), "FILE...") == "tinyscene classify a/b.onnx FILE..."


def told_bare(path: Path) -> Iterator[str]:
    """Values that a message puts behind the words of a command as they are."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.JoinedStr):
            continue
        before = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                before += str(part.value)
                continue
            assert isinstance(part, ast.FormattedValue)
            line, value = before.rpartition("\n")[2], ast.unparse(part.value)
            quoted = isinstance(part.value, ast.Call) and ast.unparse(part.value.func) in QUOTED
            if COMMAND.search(line) and not quoted and value not in PLAIN:
                yield f"{path.relative_to(SRC)}:{node.lineno} {line}{{{value}}}"
            before += "x"


def test_no_message_tells_a_command_with_a_bare_path():
    found = [line for path in sorted(SRC.rglob("*.py")) for line in told_bare(path)]
    assert found == [], "make these by tinyscene.errors.command"


def test_hints_of_a_place_with_a_space_can_be_copied(tinyscene, level_model, tmp_path):
    (tmp_path / "my models").mkdir()
    model = tmp_path / "my models" / "tiny.onnx"
    model.write_bytes(level_model(("down", "up"), 9.0).read_bytes())
    hint = tinyscene("info", model).out.splitlines()[-1].removeprefix("next: ")
    assert shlex.split(hint) == ["tinyscene", "classify", str(model), "FILE..."]


def test_what_is_on_no_index_is_installed_from_its_source():
    assert install() == "pip install . in a clone of tinyscene"
    assert str(missing_extra("this", "live")).endswith("pip install '.[live]' in a clone of tinyscene")
    for path in SRC.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip install (--upgrade )?'?tinyscene", text), path


@pytest.mark.parametrize("words", [("evaluate", "no run"), ("parity", "no run"), ("export", "no run")])
def test_no_run_folder_tells_how_to_make_one(tinyscene, tmp_path, words):
    folder = tmp_path / words[1]
    folder.mkdir()
    answer = tinyscene(words[0], folder)
    assert answer.code == 2
    assert shlex.split(answer.err.partition("with: ")[2])[-2:] == ["--out", str(folder)]
