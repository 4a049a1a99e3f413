"""write_report: what stands on the page, what is left out, and that a folder holds a whole report or none."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyscene.errors import OutputError
from tinyscene.evaluate import Predictions, measure, write_report

EVIL = "<script>alert('x')</script>"
CLASSES = ("bus", "park", "tram")
ALL_FILES = {"index.html", "report.json", "confusion.png", "curves.png", "complexity.png"} | {
    f"{name}.csv" for name in ("per_class", "per_device", "per_city", "confusion")
}
VOID = {"meta", "img", "source", "br"}


def figures(seed: int = 0, classes: tuple[str, ...] = CLASSES, **known: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    target = np.arange(60) % len(classes)
    probabilities = rng.dirichlet(np.ones(len(classes)), 60) + np.eye(len(classes))[target] * 0.3
    return measure(Predictions(classes, probabilities, target, **known), n_bootstrap=50)


def facts(**changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"devices": ["a", "s1", "s5"] * 20, "cities": ["lyon", "oslo"] * 30}
    return {
        "title": "run one",
        "system": "shao2022",
        "created": "2025-11-21T00:20:00+00:00",
        "data": {"name": "three scenes", "n_train": 100, "n_test": 60, "classes": list(CLASSES)},
        "run": {"seed": 7, "command": "tinyscene fit x", "versions": {"numpy": "2"}, "settings": {"lr": 1e-3}},
        "stages": {"fit": figures(0, **known), "exported": figures(1, **known)},
        "complexity": {
            "exported": {"parameters": 90_000, "bytes": 90_500, "macs": 31_000_000, "macs_per_s": 31_000_000}
            | {"layers": [{"name": "conv", "bytes": 90_500, "macs": 31_000_000, "macs_true": 31, "parameters": 9}]}
        },
        "journal": {"fit": [{"epoch": e, "loss": 2.0 - e, "validation_accuracy": 0.5, "seconds": 4} for e in range(2)]},
        "claims": [{"figure": "bytes", "published": 1234567, "reached": 90_500, "source": "Table 2", "why": "ours"}],
        "notes": ["a remark"],
    } | changes


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One report with every part, for the tests that only read it: drawing pictures is what costs time here."""
    return write_report(tmp_path_factory.mktemp("written") / "report", facts())


class Page(HTMLParser):
    """Checks that tags nest, and collects visible text, tags and attributes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data + "\n"


def test_report_holds_page_tables_pictures_and_facts(shown: Path) -> None:
    assert shown.name == "index.html"
    assert {entry.name for entry in shown.parent.iterdir()} == ALL_FILES
    assert [entry.name for entry in shown.parent.parent.iterdir()] == ["report"]
    record = json.loads((shown.parent / "report.json").read_text())
    assert record["stages"] == facts()["stages"]
    assert record["limits"]["exported"][-1]["ok"] is False
    for name in ("confusion.png", "curves.png", "complexity.png"):
        assert (shown.parent / name).read_bytes().startswith(b"\x89PNG")


def test_tables_hold_the_measured_figures(shown: Path) -> None:
    with (shown.parent / "per_class.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["stage"], row["class"]) for row in rows] == [(s, c) for s in ("fit", "exported") for c in CLASSES]
    park = facts()["stages"]["exported"]["per_class"]["park"]
    assert float(rows[4]["accuracy"]) == park["accuracy"]
    assert [float(rows[4]["accuracy_low"]), float(rows[4]["accuracy_high"])] == park["confidence_interval"]
    assert float(rows[4]["log_loss"]) == park["log_loss"]
    with (shown.parent / "confusion.csv").open() as stream:
        header, *body = list(csv.reader(stream))
    assert header[1:] == [row[0] for row in body] == list(CLASSES)
    assert [[int(n) for n in row[1:]] for row in body] == facts()["stages"]["exported"]["confusion"]["matrix"]


def test_page_shows_the_last_stage_and_marks_limits_in_words(shown: Path) -> None:
    text = Page(shown).text
    assert f"{100 * facts()['stages']['exported']['macro_accuracy']:.1f}\N{NO-BREAK SPACE}%" in text
    assert "✓ pass" in text
    assert "✗ over" in text
    for words in ("tinyscene fit x", "a remark", "Table 2", "three scenes", "2025-11-21 00:20 UTC"):
        assert words in text


def test_page_asks_for_nothing_from_elsewhere(shown: Path) -> None:
    page = Page(shown)
    assert page.links
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?:", shown.read_text())


def test_hostile_texts_show_as_text(tmp_path: Path) -> None:
    evil = (EVIL, "$x_", "a&amp;\"b'")
    known = {"devices": [EVIL] * 60, "cities": ["<b>"] * 60}
    hostile = facts(
        title=EVIL,
        system=EVIL,
        created=EVIL,
        data={"name": EVIL, EVIL: EVIL},
        run={"command": EVIL, EVIL: [EVIL], "versions": EVIL, "settings": {"x": {EVIL: EVIL}}},
        stages={EVIL: figures(0, evil, **known)},
        complexity={EVIL: {"bytes": 1}},
        journal={EVIL: [{"epoch": 1, "loss": 1.0}]},
        claims=[dict.fromkeys(("figure", "published", "reached", "source", "why"), EVIL)],
        notes=[EVIL],
    )
    page = Page(write_report(tmp_path / "r", hostile))
    assert "script" not in page.tags
    assert "b" in page.tags  # the headline figures; a city named <b> adds none
    assert page.tags.count("b") == 3
    assert page.text.count(EVIL) >= 15
    assert "a&amp;\"b'" in page.text
    assert "<b>" in page.text


def test_parts_without_data_are_left_out(tmp_path: Path, shown: Path) -> None:
    bare = Page(write_report(tmp_path / "r", {"title": "bare", "stages": {"fit": figures()}}))
    left_out = {"per_device.csv", "per_city.csv", "curves.png", "complexity.png"}
    assert {p.name for p in (tmp_path / "r").iterdir()} == ALL_FILES - left_out
    headings = ("Devices", "Cities", "Learning curves", "Complexity", "Published and reached", "What was run", "Notes")
    full = Page(shown).text
    for heading in headings:
        assert f"\n{heading}\n" in full
        assert f"\n{heading}\n" not in bare.text
    assert "Confusion matrix" in bare.text


def test_a_report_of_complexity_alone_can_be_written(tmp_path: Path) -> None:
    page = Page(write_report(tmp_path / "r", {"title": "counts", "complexity": {"model": {"bytes": 64_000}}}))
    assert "50\N{NO-BREAK SPACE}% of the limit, 128 kB" in page.text
    assert "? not known" in page.text


@pytest.mark.parametrize("synthetic", [True, False])
def test_synthetic_data_are_named_on_the_page(tmp_path: Path, synthetic: bool) -> None:
    page = Page(write_report(tmp_path / "r", {"title": "x", "data": {"name": "made", "synthetic": synthetic}}))
    assert ("Synthetic data." in page.text) is synthetic


def test_journals_with_gaps_and_diverged_losses_are_drawn(tmp_path: Path) -> None:
    journal = {"fit": [{"epoch": 1, "loss": float("nan")}, {"epoch": 2, "accuracy": None}, {}], "empty": []}
    write_report(tmp_path / "r", {"title": "x", "journal": journal})
    assert json.loads((tmp_path / "r" / "report.json").read_text())["journal"]["fit"][0]["loss"] is None


def test_numpy_numbers_paths_and_odd_file_names_are_written_as_plain_facts(tmp_path: Path) -> None:
    odd = b"caf\xe9".decode("utf-8", "surrogateescape")
    run = {"folder": tmp_path, "seed": np.int64(3), "command": odd}
    write_report(tmp_path / "r", {"title": "x", "run": run})
    record = json.loads((tmp_path / "r" / "report.json").read_text())["run"]
    assert record == {"folder": str(tmp_path), "seed": 3, "command": "caf?"}


def test_many_classes_are_drawn(tmp_path: Path) -> None:
    names = tuple(f"a rather long name of class {i} 集" for i in range(50))
    write_report(tmp_path / "r", {"title": "many", "stages": {"fit": figures(0, names)}})
    assert (tmp_path / "r" / "confusion.png").stat().st_size > 10_000


def test_a_second_report_replaces_the_first_whole(tmp_path: Path) -> None:
    write_report(tmp_path / "r", {"title": "first", "stages": {"fit": figures()}})
    write_report(tmp_path / "r", {"title": "second"})
    assert {entry.name for entry in (tmp_path / "r").iterdir()} == {"index.html", "report.json"}
    assert "second" in (tmp_path / "r" / "index.html").read_text()
    assert [entry.name for entry in tmp_path.iterdir()] == ["r"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    assert write_report(tmp_path / "r", {"title": "x"}).exists()


@pytest.mark.parametrize("name", ["model.onnx", "index.html"])
def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / name).write_text("mine")
    with pytest.raises(OutputError, match="Choose a new or empty folder"):
        write_report(tmp_path / "r", {"title": "x"})
    assert [entry.name for entry in tmp_path.rglob("*")] == ["r", name]
    assert (tmp_path / "r" / name).read_text() == "mine"


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_that_cannot_be_a_folder_is_an_output_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot write the report to"):
        write_report(tmp_path / place, {"title": "x"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="folder rights work differently")
def test_a_folder_without_write_permission_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    if os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(OutputError, match="Permission denied"):
        write_report(tmp_path / "locked" / "r", {"title": "x"})


def test_a_failed_swap_keeps_the_old_report_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(tmp_path / "r", {"title": "first"})
    rename = os.rename

    def failing(source: Path, target: Path) -> None:
        if source.name.endswith(".new"):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr("tinyscene.evaluate.report.os.rename", failing)
    with pytest.raises(OutputError, match="No space left on device"):
        write_report(tmp_path / "r", {"title": "second"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["r"]
    assert "first" in (tmp_path / "r" / "index.html").read_text()


def test_nothing_is_imported_before_it_is_used() -> None:
    code = "import sys, tinyscene.evaluate.report; print({'matplotlib', 'torch', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
