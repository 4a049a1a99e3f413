"""Packages: each year's layout, the same bytes again, and every mistake told by the check."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace

import pytest
import yaml

from tinyscene.errors import DataError, OutputError
from tinyscene.submission import EDITIONS, build_package, check_package

LAYOUT = {
    "2020a": ["Smith_TAU_task1a/task1/{0}/{0}.output.csv", "Smith_TAU_task1a/task1/{0}/{0}.meta.yaml"],
    "2020b": ["Smith_TAU_task1b/task1/{0}/{0}.output.csv", "Smith_TAU_task1b/task1/{0}/{0}.meta.yaml"],
    "2021a": ["Smith_TAU_task1a/task1/{0}/{0}.output.csv", "Smith_TAU_task1a/task1/{0}/{0}.meta.yaml"],
    "2022": ["task1/{0}/{0}.output.csv", "task1/{0}/{0}.meta.yaml"],
    "2023": ["task1/{0}/{0}.output.csv", "task1/{0}/{0}.meta.yaml"],
    "2024": [*(f"task1/{{0}}/{{0}}.output.split_{s}.csv" for s in (5, 10, 25, 50, 100)), "task1/{0}/{0}.meta.yaml"],
    "2025": [
        *("predictions/{0}/output.csv", "predictions/{0}/{0}.meta.yaml", "predictions/{0}/complexity.json"),
        *("predictions/{0}/test_accuracy.json", "predictions/{0}/model_state_dict.pt"),
        *("inference/pyproject.toml", "inference/Smith_TAU_task1/__init__.py", "inference/Smith_TAU_task1/{0}.py"),
        *("inference/Smith_TAU_task1/resources/__init__.py", "inference/Smith_TAU_task1/resources/dummy.wav"),
        *("inference/Smith_TAU_task1/resources/{0}.json", "inference/Smith_TAU_task1/ckpts/{0}.pt"),
    ],
}


def test_layout_and_check(edition, entry, tmp_path):
    out = tmp_path / "package.zip"
    system = entry(edition)
    names = build_package(edition, [system], out)
    assert sorted(names) == sorted(name.format(system.label) for name in LAYOUT[edition.year])
    assert check_package(out, edition) == []
    again = tmp_path / "again.zip"
    build_package(edition, [system], again)
    assert out.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(out) as package:
        assert {info.date_time for info in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        texts = [package.read(name) for name in names if ".output" in name or name.endswith("output.csv")]
    assert len(set(texts)) == len(edition.outputs)
    for text in texts:
        assert text.decode().splitlines()[0].split("\t") == list(edition.columns)
        assert text.count(b"\n") == 11


def test_four_systems(entry, tmp_path):
    edition = replace(EDITIONS["2025"], rows=10)
    out = tmp_path / "package.zip"
    build_package(edition, [entry(edition, i) for i in (1, 2, 3, 4)], out)
    assert check_package(out, edition) == []
    with pytest.raises(DataError, match="1 to 4 systems"):
        build_package(edition, [], out)
    with pytest.raises(DataError, match="stands twice"):
        build_package(edition, [entry(edition, 1)] * 2, out)


def test_papers_are_left_aside(entry, tmp_path):
    edition = replace(EDITIONS["2022"], rows=10)
    out = tmp_path / "package.zip"
    build_package(edition, [entry(edition)], out)
    with zipfile.ZipFile(out, "a") as package:
        package.writestr("task1/Smith_TAU_task1.technical_report.pdf", b"%PDF")
        package.writestr("task1/Smith_TAU_task1_1/Smith.pdf", b"%PDF")
    assert check_package(out, edition) == []


def test_build_refuses_and_writes_nothing(entry, predicted, tmp_path):
    edition = replace(EDITIONS["2022"], rows=10)
    good, out = entry(edition), tmp_path / "out" / "package.zip"
    with pytest.raises(OutputError, match="cannot be written"):
        build_package(edition, [good], out)
    out.parent.mkdir()
    label, few = replace(good, label="Smith_task1_1"), replace(good, predictions={"": predicted(edition.classes, 9)})
    for wrong, told in (
        (label, "the label 'Smith_task1_1' must be"),
        (few, "10 rows are needed, 9 came"),
        (replace(good, predictions={}), "the predictions are missing"),
        (replace(good, meta={}), "submission: a block is needed"),
    ):
        with pytest.raises(DataError, match=told):
            build_package(edition, [wrong], out)
    assert list(out.parent.iterdir()) == []
    splits = replace(EDITIONS["2024"], rows=10)
    system = entry(splits)
    four = {split: path for split, path in system.predictions.items() if split != "10"}
    with pytest.raises(DataError, match="predictions of split 10 are missing"):
        build_package(splits, [replace(system, predictions=four)], out)


@pytest.mark.parametrize(
    ("year", "key", "value", "told"),
    [
        ("2020b", "model_size", 500.01, "512,010 bytes exceed the limit of 512,000"),
        ("2021a", "model_size", 128.01, "131,082 bytes exceed the limit of 131,072"),
        ("2022", "total_parameters", 128_001, "128,001 parameters exceed the limit of 128,000"),
        ("2022", "macs", 30_000_001, "30,000,001 MACs/s exceed the limit of 30,000,000"),
        ("2023", "total_model_size", 128_001, "128,001 bytes exceed"),
        ("2024", "macs", 30_000_001, "30,000,001 MACs/s exceed"),
        ("2025", "total_model_size", 128_001, "128,001 bytes exceed"),
    ],
)
def test_limits(year, key, value, told, entry, tmp_path):
    edition = replace(EDITIONS[year], rows=10)
    good = entry(edition)
    good.meta["system"]["complexity"][key] = value
    with pytest.raises(DataError, match=told):
        build_package(edition, [good], tmp_path / "package.zip")
    within = {"2020b": 500, "2021a": 128}.get(year, value - 1)
    good.meta["system"]["complexity"][key] = within
    if year == "2025":  # within, but not what lies in the package
        with pytest.raises(DataError, match=r"says total_model_size 128,000, complexity.json max_Params 122,296"):
            build_package(edition, [good], tmp_path / "package.zip")
        return
    build_package(edition, [good], tmp_path / "package.zip")


def rewritten(path, change):
    """The zip with `change(name, bytes)` -> (name, bytes), or None to leave it out."""
    with zipfile.ZipFile(path) as package:
        files = [(name, package.read(name)) for name in package.namelist()]
    with zipfile.ZipFile(path, "w") as package:
        for name, content in files:
            new = change(name, content)
            if new is not None:
                package.writestr(*new)


def swapped(ending, old, new):
    """Replaces bytes in the files of that ending."""

    def change(name, content):
        if name.endswith(ending):
            assert re.search(old, content)
            content = re.sub(old, new, content, count=1)
        return name, content

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda n, c: None if n.endswith("yaml") else (n, c), "meta.yaml is missing"),
        (lambda n, c: None if n.endswith("csv") else (n, c), "output.csv is missing"),
        (lambda n, c: (n.replace("task1/S", "task2/S"), c), "no system is found"),
        (lambda n, c: ("root/" + n, c), "no system is found"),
        (lambda n, c: (n.replace("task1_1", "task1_7"), c), "task1_7' must be"),
        (lambda n, c: (n.replace("task1_1", "task1_2"), c), "submission.label is 'Smith_TAU_task1_1'; the"),
        (swapped("yaml", b"label: ", b"label: ["), "is no YAML"),
        (swapped("yaml", b"total_parameters: 61148", b"total_parameters: 128001"), "exceed the limit of 128,000"),
        (swapped("csv", rb"audio/3.wav", b"audio/4.wav"), "stands twice"),
        (swapped("csv", rb"audio/3.wav", b"audio/10.wav"), "lies outside 0.wav to 9.wav"),
        (swapped("csv", rb"\n[^\n]*\n", b"\n"), "10 rows are needed, 9 came"),
        (swapped("csv", rb"airport", b"\xff"), "line 1: the columns must be filename"),
        (swapped("csv", rb"audio/3.wav", b"\xff/3.wav"), "line 5: the byte 0xff is no UTF-8"),
        (swapped("csv", rb"\A", b"\xef\xbb\xbf"), "a byte order mark (BOM) stands before it"),
        (swapped("csv", rb"audio/3.wav", b'"audio/3.wav'), 'line 5: a quote (") stands in it'),
        (
            swapped("yaml", b"memory_use: 62000", b"memory_use: 244592"),
            "are a float network; 2022 takes int8 ones only",
        ),
        (swapped("yaml", b"accuracy: 75.0", b"accuracy: 0.75"), "overall: accuracy is given as a fraction"),
    ],
)
def test_what_the_check_tells(change, told, entry, tmp_path):
    edition = replace(EDITIONS["2022"], rows=10)
    out = tmp_path / "package.zip"
    build_package(edition, [entry(edition)], out)
    rewritten(out, change)
    problems = check_package(out, edition)
    assert any(told in problem for problem in problems), problems


def test_no_two_splits_have_the_same_output(entry, tmp_path):
    edition = replace(EDITIONS["2024"], rows=10)
    out, system = tmp_path / "package.zip", entry(edition)
    twice = dict(system.predictions) | {"50": system.predictions["10"]}
    with pytest.raises(DataError, match=r"split_50.csv is the same as \S+split_10.csv"):
        build_package(edition, [replace(system, predictions=twice)], out)
    assert not out.exists()
    build_package(edition, [system], out)
    with zipfile.ZipFile(out) as package:
        folder = "task1/Smith_TAU_task1_1/Smith_TAU_task1_1.output.split"
        first = package.read(f"{folder}_5.csv")
    rewritten(out, lambda n, c: (n, first if n == f"{folder}_100.csv" else c))
    (problem,) = check_package(out, edition)
    assert "split_100.csv is the same as Smith_TAU_task1_1.output.split_5.csv" in problem


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:/evil", "a\\evil"])
def test_paths_that_leave_the_package(name, entry, tmp_path):
    edition = replace(EDITIONS["2022"], rows=10)
    out = tmp_path / "package.zip"
    build_package(edition, [entry(edition)], out)
    with zipfile.ZipFile(out, "a") as package:
        info = zipfile.ZipInfo("x")
        info.filename = name
        package.writestr(info, b"")
    assert "points outside the package" in check_package(out, edition)[0]


def test_links_doubles_and_broken_zips(entry, tmp_path):
    edition = replace(EDITIONS["2022"], rows=10)
    out = tmp_path / "package.zip"
    build_package(edition, [entry(edition)], out)
    whole = out.read_bytes()
    with zipfile.ZipFile(out, "a") as package:
        link = zipfile.ZipInfo("task1/link")
        link.external_attr = 0o120777 << 16
        package.writestr(link, "/etc/passwd")
        with pytest.warns(UserWarning, match="Duplicate"):
            package.writestr("task1/link", "x")
    problems = check_package(out, edition)
    assert any("is a link" in problem for problem in problems)
    assert any("stands twice" in problem for problem in problems)
    out.write_bytes(whole[:200])
    assert "the zip cannot be read" in check_package(out, edition)[0]
    broken = bytearray(whole)
    broken[whole.index(b"output.csv") + 40] ^= 255  # inside the packed rows: the checksum tells
    out.write_bytes(bytes(broken))
    assert check_package(out, edition) != []
    with pytest.raises(DataError, match="does not exist"):
        check_package(tmp_path / "none.zip", edition)


def test_meta_of_a_package_is_plain_yaml(entry, tmp_path):
    edition = replace(EDITIONS["2023"], rows=10)
    out = tmp_path / "package.zip"
    build_package(edition, [entry(edition)], out)
    with zipfile.ZipFile(out) as package:
        text = package.read("task1/Smith_TAU_task1_1/Smith_TAU_task1_1.meta.yaml").decode()
    assert text.startswith("# energy_consumption is null")
    assert yaml.safe_load(text)["submission"]["label"] == "Smith_TAU_task1_1"
