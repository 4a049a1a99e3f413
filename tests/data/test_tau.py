"""TAU names and lists: both editions' names, the official fold, locations that are never parted."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tinyscene.data.tables import read_table
from tinyscene.data.tau import ClipName, is_tau, open_tau, parse_name
from tinyscene.errors import DataError

DATA = os.environ.get("TINYSCENE_DATA")
LISTS = Path(DATA or ".") / "tau_lists"
with_data = pytest.mark.skipif(not DATA, reason="TINYSCENE_DATA is not set: the real TAU lists are not read")


def place(name: ClipName) -> tuple[str, str, str]:
    return name.scene, name.city, name.location


TRAIN = "filename\tscene_label\naudio/bus-lyon-10-40-0-a.wav\tbus\naudio/park-oslo-11-41-3-s1.wav\tpark\n"
EVALUATE = "filename\tscene_label\naudio/bus-rome-12-42-9-s6.wav\tbus\n"


def tau(folder: Path, train: str = TRAIN, evaluate: str | None = EVALUATE) -> Path:
    setup = folder / "evaluation_setup"
    setup.mkdir()
    (folder / "meta.csv").write_text("filename\tscene_label\n")
    (setup / "fold1_train.csv").write_text(train)
    if evaluate is not None:
        (setup / "fold1_evaluate.csv").write_text(evaluate)
    return folder


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("audio/metro_station-lisbon-1023-40123-a.wav", ("metro_station", "lisbon", "1023", "40123", "a")),
        ("audio/airport-barcelona-203-6129-0-s3.wav", ("airport", "barcelona", "203", "6129", "s3")),
        ("bus-lyon-1-2-b.wav", ("bus", "lyon", "1", "2", "b")),
    ],
    ids=["2020", "2022", "without folder"],
)
def test_names_of_both_editions_are_understood(file, parts):
    assert parse_name(file) == ClipName(*parts)


@pytest.mark.parametrize("file", ["audio/dog.wav", "a-b-c-d.wav", "a-b-c-d-e-f-g.wav"])
def test_other_names_are_told(file):
    with pytest.raises(DataError) as caught:
        parse_name(file)
    assert str(caught.value) == (
        f"'{file}' is no TAU file name: <scene>-<city>-<location>-<segment>[-<second>]-<device>.wav."
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_lists_of_fold_1_become_columns(tmp_path, newline):
    tau(tmp_path, TRAIN.replace("\n", newline), EVALUATE.replace("\n", newline))
    assert is_tau(tmp_path)
    made = open_tau(tmp_path)
    assert made.classes == ("bus", "park")
    assert made.fold.tolist() == ["train", "train", "test"]
    assert made.device.tolist() == ["a", "s1", "s6"]
    assert made.city.tolist() == ["lyon", "oslo", "rome"]
    assert made.recording.tolist() == ["bus-lyon-10", "park-oslo-11", "bus-rome-12"]
    assert not made.synthetic


def test_a_synthetic_set_says_so(tmp_path):
    (tau(tmp_path) / "synthetic.json").write_text("{}")
    assert open_tau(tmp_path).synthetic


@pytest.mark.parametrize(
    ("train", "evaluate", "text"),
    [
        (
            TRAIN.replace("scene_label", "label"),
            EVALUATE,
            "has no column scene_label; its columns are filename, label.",
        ),
        ("filename\tscene_label\n", EVALUATE, "fold1_train.csv lists no clips."),
        (TRAIN, None, "fold1_evaluate.csv does not exist."),
    ],
)
def test_lists_that_cannot_be_used_are_told(tmp_path, train, evaluate, text):
    with pytest.raises(DataError) as caught:
        open_tau(tau(tmp_path, train, evaluate))
    assert str(caught.value).endswith(text)


def test_a_folder_without_lists_is_no_tau_set(tmp_path):
    (tmp_path / "meta.csv").touch()
    assert not is_tau(tmp_path)


def real_names(year: int, part: str) -> list[ClipName]:
    """The clips of a real list; each name's scene is the label beside it."""
    folder = LISTS / f"TAU-urban-acoustic-scenes-{year}-mobile-development" / "evaluation_setup"
    _, rows = read_table(folder / f"fold1_{part}.csv")
    names = [parse_name(row["filename"]) for row in rows]
    assert [name.scene for name in names] == [row["scene_label"] for row in rows]
    return names


@with_data
def test_real_lists_part_locations_and_keep_three_devices_for_the_test():
    train, test = real_names(2020, "train"), real_names(2020, "evaluate")
    assert set(map(place, train)).isdisjoint(map(place, test))
    assert {n.device for n in train} == {"a", "b", "c", "s1", "s2", "s3"}
    assert {n.device for n in test} == {"a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6"}


@with_data
@pytest.mark.parametrize("part", ["train", "evaluate"])
def test_real_clips_of_2022_are_those_of_2020_cut_into_ten(part):
    old, new = Counter(real_names(2020, part)), Counter(real_names(2022, part))
    assert len(old) > 2_000
    assert new == {name: 10 * count for name, count in old.items()}
