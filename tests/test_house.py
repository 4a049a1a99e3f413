"""The house keeps its shape: who imports whom, what the light install needs, how files look (docs/house.md)."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import tinyscene

SRC = Path(tinyscene.__file__).parent
ROOT = SRC.parent.parent
FLOORS = (  # from the top; folders of one floor do not import each other
    ("cli",),
    ("web",),
    ("systems",),
    ("pipeline",),
    ("compress", "export", "submission"),
    ("train",),
    ("evaluate",),
    ("data",),
    ("augment", "frontends", "models"),
    ("dsp", "nn"),
    ("runtime",),
    ("audio",),
    ("core",),
)
FLOOR = {folder: level for level, folders in enumerate(reversed(FLOORS)) for folder in folders}
CORE = ("errors", "spec", "system", "reproduction", "batch", "lazy", "files")
TORCH_FREE = ("runtime", "audio", "core")
FILES = sorted(SRC.rglob("*.py"))
SYSTEM_FILES = [path for path in FILES if path.parent.name == "systems" and path.name != "__init__.py"]


class Import(NamedTuple):
    """One import statement's target, and whether it costs anything when the module is loaded or used."""

    module: str
    names: tuple[str, ...]
    line: int
    for_types_only: bool


def label(path: Path) -> str:
    return path.relative_to(SRC).as_posix()


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file, at any depth, relative ones made absolute."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    package = ["tinyscene", *path.relative_to(SRC).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno, id(node) in for_types)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            yield Import(module, tuple(alias.name for alias in node.names), node.lineno, id(node) in for_types)


def folder_of(path: Path) -> str:
    """The folder a file belongs to; the package's own files are the core, `python -m tinyscene` is the cli."""
    parts = path.relative_to(SRC).parts
    if len(parts) > 1:
        return parts[0]
    return "cli" if parts[0] == "__main__.py" else "core"


def targets(found: Import) -> set[str]:
    """The folders of ours that an import reaches."""
    parts = found.module.split(".")
    if parts[0] != "tinyscene":
        return set()
    if len(parts) > 1:
        return {"core" if parts[1] in CORE else parts[1]}
    return {name if name in FLOOR else "core" for name in found.names} or {"core"}


@pytest.mark.parametrize("path", FILES, ids=label)
def test_imports_go_down(path):
    own = folder_of(path)
    assert own in FLOOR, f"the folder {own} is on no floor: give it one here and in docs/house.md"
    if path == SRC / "__init__.py":  # the front desk: it names what lies above it and loads it when asked
        return
    for found in imports(path):
        for target in targets(found):
            assert target in FLOOR, f"{label(path)}:{found.line} imports tinyscene.{target}, which is on no floor"
            assert target == own or FLOOR[target] < FLOOR[own], (
                f"{label(path)}:{found.line} imports {found.module}: {own} may only import from floors below it, "
                f"{target} is {'beside' if FLOOR[target] == FLOOR[own] else 'above'} it"
            )


def test_front_desk_loads_nothing_at_import():
    tree = ast.parse((SRC / "__init__.py").read_text(encoding="utf-8"))
    eager = [ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    free = {"import os", "from __future__ import annotations", "from typing import TYPE_CHECKING"}  # there already
    assert set(eager) <= free


def test_every_core_file_is_known():
    files = {path.stem for path in SRC.glob("*.py")} - {"__init__", "__main__"}
    assert files == set(CORE), "a new file in the package's root: put it into a folder, or into CORE and docs/house.md"


@pytest.mark.parametrize("path", [p for p in FILES if folder_of(p) in TORCH_FREE], ids=label)
def test_light_folders_do_not_import_torch(path):
    heavy = ("torch", "torchaudio", "lightning", "torchao", "torchjd", "onnx", "onnxscript", "matplotlib")
    for found in imports(path):
        assert found.for_types_only or found.module.split(".")[0] not in heavy, f"line {found.line}: {found.module}"


LIGHT = """
import importlib, pkgutil, sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchaudio", "lightning", "torchao", "torchjd", "onnx", "onnxscript"):
            raise ImportError(f"{name} was imported")

sys.meta_path.insert(0, NoTorch())
names = ["tinyscene." + name for name in sys.argv[1].split(",")]
for name in names:
    module = importlib.import_module(name)
    names += [f"{name}.{info.name}" for info in pkgutil.iter_modules(getattr(module, "__path__", ()))]
print(len(names))
"""


def test_light_folders_work_where_torch_cannot_be_imported():
    done = python("-c", LIGHT, ",".join((*CORE, "audio", "runtime")))
    assert int(done) > len(CORE) + 10


@pytest.mark.parametrize("path", SYSTEM_FILES, ids=label)
def test_system_file_is_a_table(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "a system file begins by saying which report it tells"
    logic = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.If, ast.IfExp, ast.For, ast.AsyncFor)
    logic += (ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match, ast.comprehension)
    for node in ast.walk(tree):
        assert not isinstance(node, logic), (
            f"{label(path)}:{getattr(node, 'lineno', '?')} holds a {type(node).__name__}: a system file is a table of "
            "imports, constants and calls; logic is a part in another folder"
        )


def test_nothing_below_systems_knows_a_system():
    from tinyscene.systems import systems

    names = set(systems())
    for path in FILES:
        if FLOOR[folder_of(path)] >= FLOOR["systems"]:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                told = names & set(re.findall(r"[\w-]+", node.value))
                assert not told, f"{label(path)}:{node.lineno} names the system {told}"


@pytest.mark.parametrize("path", FILES, ids=label)
def test_file_has_one_idea(path):
    assert path.stem not in ("utils", "util", "helpers", "misc", "common", "base"), "name it after what it does"
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    most = 400 if path in SYSTEM_FILES else 300  # a report's systems and tables stand in one file
    assert n_lines < most, f"{label(path)} has {n_lines} lines; part it by ideas"


@pytest.mark.parametrize("path", FILES, ids=label)
def test_public_names_say_what_they_are(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body, f"{label(path)} has no docstring"
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{label(path)}:{node.lineno} {node.name} has no docstring"


def test_every_public_name_can_be_imported():
    for info in pkgutil.iter_modules([str(SRC)]):
        if not info.ispkg:
            continue
        package = importlib.import_module(f"tinyscene.{info.name}")
        assert hasattr(package, "__all__"), f"tinyscene.{info.name} lists no public names"
        for name in package.__all__:
            value = getattr(package, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert inspect.getdoc(value), f"tinyscene.{info.name}.{name} has no docstring"
    for name in tinyscene.__all__:
        assert inspect.getdoc(getattr(tinyscene, name))


START = """
import contextlib, io, json, sys, time
start = time.process_time()
import tinyscene
if len(sys.argv) > 1:
    from tinyscene.cli import main
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
seconds = time.process_time() - start
print(json.dumps([seconds, sorted({"numpy", "scipy", "torch", "lightning", "onnx", "onnxruntime"} & set(sys.modules))]))
"""


@pytest.mark.parametrize("arguments", [[], ["--help"]], ids=["import tinyscene", "tinyscene --help"])
def test_start_is_quick_and_light(arguments):
    runs = [json.loads(python("-c", START, *arguments)) for _ in range(3)]  # the best of three: others are at work too
    assert runs[0][1] == []
    assert min(seconds for seconds, _ in runs) < 0.3


def test_no_tracked_file_knows_this_machine():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    places = {str(ROOT.parent), str(Path.home()), sys.prefix} - {"/", "/usr", "/usr/local"}
    here = re.compile(r"(?<![\w.])(?:" + "|".join(map(re.escape, sorted(places))) + r")\b|/(?:home|Users)/\w")
    for name in filter(None, listed.stdout.split("\0")):
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):  # pictures and models; files moved since the last commit
            continue
        found = here.search(text)
        assert not found, f"{name} holds {found[0]}, a path of one machine"


def python(*arguments: str) -> str:
    """What a fresh interpreter prints, our source tree on its path."""
    program = [sys.executable, *arguments]
    done = subprocess.run(program, cwd=SRC.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
