"""What README and docs say is so: commands exist, code runs, links lead somewhere, figures are those of the scripts."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
import typer
import typer.main

import tinyscene

SRC = Path(tinyscene.__file__).parent
ROOT = SRC.parent.parent
PAGES = sorted(
    path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")) if path.is_file()
)
FENCE = re.compile(r"^(?P<ticks>```+)(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=ticks)\s*$", re.M | re.S)
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str
    line: int


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if found["language"] in languages:
            yield Block(found["language"], found["text"], text[: found.start()].count("\n") + 2)


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


# ---- commands ----


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """(where, words after `tinyscene`) of each command in the page's shell blocks and inline code."""
    for block in blocks(page, "console", "bash", "sh", "shell"):
        lines = block.text.replace("\\\n", " ").splitlines()
        for line in lines:
            if any(other.startswith("$ ") for other in lines) and not line.startswith("$ "):
                continue  # what a command printed
            for part in re.split(r"\s(?:&&|\|\||[|;>])\s", line.removeprefix("$ ").strip()):
                if part.split()[:1] == ["tinyscene"]:
                    yield f"line {block.line}: {part}", shlex.split(part, comments=True)[1:]
    for code in re.findall(r"(?<!`)`(tinyscene [^`\n]+)`(?!`)", prose(page)):
        yield code, shlex.split(code)[1:]


def complaint(words: list[str], whole: bool) -> str:
    """What the command line has against these words, '' if nothing. Arguments are asked for in `whole` commands."""
    from tinyscene.cli.app import app

    group = typer.main.get_command(app)
    if words[0] in ("--help", "-h", "--version"):
        return ""
    verb = group.commands.get(words[0])  # type: ignore[attr-defined]
    if verb is None:
        return f"there is no verb {words[0]}; there are {', '.join(group.commands)}"  # type: ignore[attr-defined]
    try:
        verb.make_context(
            words[0], [word for word in words[1:] if word not in ("...", "…")], resilient_parsing=not whole
        )
    except Exception as error:  # typer brings its own kinds
        return str(getattr(error, "message", error)) or type(error).__name__
    return ""


@EVERY_PAGE
def test_commands_exist(page):
    for where, words in commands(page):
        reason = complaint(words, whole=where.startswith("line"))
        assert not reason, f"{page.name}, {where}: {reason}"


def test_unknown_verbs_and_options_are_noticed():
    assert not complaint(["train", "dsmn-1", "--data", "DIR", "--out", "RUN"], whole=True)
    for words in (["fly"], ["train", "--wings", "2"], ["train", "--seed", "two"], ["train", "dsmn-1"]):
        assert complaint(words, whole=True), words


# ---- links, pictures, figures ----


@EVERY_PAGE
def test_links_lead_somewhere(page):
    text = prose(page)
    for target in (*re.findall(r"\]\(([^)\s]+)[^)]*\)", text), *re.findall(r"(?:src|href)=\"([^\"]+)\"", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page if not name else (page.parent / name).resolve()
        assert file.exists(), f"{page.name} links to {target}, which does not exist"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{page.name} links to {target}; {file.name} has no such heading"


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page get on the usual sites."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@EVERY_PAGE
def test_figures_are_those_of_the_scripts(page):
    text = page.read_text(encoding="utf-8")
    marked = re.findall(r"<!-- figures: (\S+) -->\n(.*?)\n?<!-- /figures -->", text, re.S)
    assert len(marked) == text.count("<!-- figures:"), f"{page.name}: a figure table has no end mark"
    for name, table in marked:
        source = ROOT / "benchmarks" / f"{name}.md"
        assert source.is_file(), f"{page.name} quotes benchmarks/{name}.md, which does not exist"
        assert table.strip() == source.read_text(encoding="utf-8").strip(), (
            f"{page.name} and benchmarks/{name}.md differ: copy what the script wrote between the marks"
        )


def test_house_page_shows_the_folders_on_disk():
    page = ROOT / "docs" / "house.md"
    tree = next(block.text for block in blocks(page, "text") if "src/tinyscene/" in block.text)
    told = re.findall(r"^(?P<indent> *)(?P<name>[\w./-]+?/?) {2,}\S", tree, re.M)
    inside = {name.rstrip("/") for indent, name in told if indent}
    folders = {path.name for path in SRC.iterdir() if path.is_dir() and path.name != "__pycache__"}
    files = {path.name for path in SRC.glob("*.py")} - {"__main__.py"}
    assert inside == folders | files, "the tree in docs/house.md and src/tinyscene differ"
    for indent, name in told:
        assert indent or (ROOT / name).is_dir(), f"docs/house.md tells of {name}, which does not exist"


# ---- code ----


@EVERY_PAGE
def test_python_runs(page, monkeypatch, tmp_path):
    """Each Python block compiles. One that begins with a file name of ours is loaded as that file, tests are called."""
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "python"):
        code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
        file = re.match(r"# ((?:src/tinyscene|tests)/[\w/]+)\.py$", block.text.partition("\n")[0])
        if not file:
            continue
        name = file[1].removeprefix("src/").replace("/", ".")
        assert name not in sys.modules, f"{page.name}: there is a {file[1]}.py already; call the example otherwise"
        module = ModuleType(name)
        module.__package__ = name.rpartition(".")[0]
        monkeypatch.setitem(sys.modules, name, module)
        exec(code, module.__dict__)
        for key, value in list(vars(module).items()):
            if key.startswith("test_"):
                value()


# ---- pages made from the code ----


def maker(folder: Path) -> ModuleType:
    """The script that writes a folder's pages."""
    spec = importlib.util.spec_from_file_location(f"make_{folder.name}", folder / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    return make


def test_every_report_has_its_page_as_its_system_file_has_it_now():
    folder = ROOT / "docs" / "systems"
    pages = maker(folder).pages()
    for name, text in pages.items():
        page = (folder / f"{name}.md").read_text(encoding="utf-8")
        assert page == text, f"docs/systems/{name}.md is out of date: run docs/systems/make.py"
    assert {path.stem for path in folder.glob("*.md")} == set(pages), "a page of a report that is gone"


def test_every_augmentation_has_its_page_and_picture_as_the_code_has_it_now():
    from tinyscene.cli.augment_verbs import classes

    folder = ROOT / "docs" / "augmentations"
    make, found = maker(folder), classes()
    for name, cls in found.items():
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
        page = (folder / f"{name}.md").read_text(encoding="utf-8")
        assert page == make.page(name, cls), f"{name}.md is out of date: run docs/augmentations/make.py --text"
    assert (folder / "README.md").read_text(encoding="utf-8") == make.index(found)
    assert {path.stem for path in folder.glob("*.md")} == {*found, "README"}, "a page of a part that is gone"
    assert f"{len(found)} augmentations" in (ROOT / "README.md").read_text(encoding="utf-8")
