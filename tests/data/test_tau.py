"""TAU names and lists: both editions' names, the official fold, locations that are never parted."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tinyscene.data import fold_split, make_dataset, open_dataset
from tinyscene.data.bad_rows import BadRows
from tinyscene.data.tables import read_table
from tinyscene.data.tau import in_three_classes, is_tau, open_tau
from tinyscene.data.tau_names import ClipName, parse_name
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
        (TRAIN, None, "fold1_evaluate.csv does not exist, nor do fold1_test.csv and test.csv."),
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
    columns = read_table(folder / f"fold1_{part}.csv", BadRows()).columns
    names = [parse_name(file) for file in columns["filename"]]
    assert [name.scene for name in names] == columns["scene_label"]
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


# ---- every edition ----


def write_lists(folder: Path, **lists: str) -> Path:
    """Lists of a set by name, `__` for a folder: evaluation_setup__fold1_train="..."."""
    for name, text in lists.items():
        path = folder / (name.replace("__", "/") + ".csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_meta_lists_all_clips_and_those_in_no_fold_stay_out_of_it(tmp_path):
    meta = TRAIN + EVALUATE.partition("\n")[2] + "audio/tram-bonn-13-43-0-a.wav\ttram\n"
    write_lists(tmp_path, meta=meta, evaluation_setup__fold1_train=TRAIN, evaluation_setup__fold1_evaluate=EVALUATE)
    made = open_tau(tmp_path)
    assert made.fold.tolist() == ["train", "train", "test", ""]
    assert made.classes == ("bus", "park", "tram")
    assert made.city[3] == "bonn"


def test_test_lists_without_labels_get_them_from_meta_or_the_names(tmp_path):
    files = "filename\naudio/bus-rome-12-42-9-s6.wav\n"
    by_name = write_lists(tmp_path / "names", evaluation_setup__fold1_train=TRAIN, evaluation_setup__fold1_test=files)
    made = open_tau(by_name)
    assert made.classes[made.target[2]] == "bus"
    grouped = TRAIN.replace("\tbus", "\ttransportation").replace("\tpark", "\toutdoor")
    groups = write_lists(tmp_path / "3class", evaluation_setup__fold1_train=grouped, evaluation_setup__fold1_test=files)
    made = open_tau(groups)
    assert made.classes == ("outdoor", "transportation")
    assert made.classes[made.target[2]] == "transportation"


@with_data
def test_the_ten_scenes_in_three_classes_are_those_of_the_3_class_set():
    """Both sets name their clips by scene: each clip of the 3-class lists has the class that its scene maps to."""
    lists = LISTS / "TAU-urban-acoustic-scenes-2020-3class-development"
    made = open_dataset(lists, on_disk=False)
    scenes = [parse_name(file).scene for file in made.files]
    by_scene = make_dataset("scenes", Path("."), made.files.tolist(), scenes)
    grouped = in_three_classes(by_scene)
    assert grouped.classes == made.classes == ("indoor", "outdoor", "transportation")
    assert (grouped.target == made.target).all()
    assert "indoor, outdoor, transportation" in grouped.notes[0]


def test_an_evaluation_set_has_files_and_no_labels(tmp_path):
    write_lists(tmp_path, evaluation_setup__fold1_test="filename\naudio/0.wav\naudio/1.wav\n")
    assert is_tau(tmp_path)
    made = open_tau(tmp_path)
    assert made.target.tolist() == [-1, -1]
    assert len(made.classes) == 10
    assert not made.has("device")
    with pytest.raises(DataError, match="evaluation set without labels; predict it with"):
        fold_split(made, "1")
    of_2025 = write_lists(tmp_path / "2025", evaluation_setup__test="filename\tdevice_id\naudio/0.wav\ts7\n")
    assert open_tau(of_2025).device.tolist() == ["s7"]


def test_mistakes_in_lists_are_told_with_list_and_line(tmp_path):
    rows = "".join(f"audio/bus-lyon-10-{i}-0-a.wav\tbus\n" for i in range(8))
    train = TRAIN + rows + "audio/bus-lyon-10-40-4-a.wav\tboat\naudio/dog.wav\tbus\n"
    test = EVALUATE + "audio/bus-rome-12-42-8-s6.wav\n"
    bad = BadRows()
    open_tau(tau(tmp_path, train, test), bad)
    with pytest.raises(DataError) as caught:
        bad.told()
    text = str(caught.value)
    assert "has 3 rows that cannot be used" in text
    assert "fold1_train.csv, line 12: 'boat' is no class of this set" in text
    assert "fold1_train.csv, line 13: 'audio/dog.wav' is no TAU file name" in text
    assert "fold1_evaluate.csv, line 3: 2 columns are needed, 1 came" in text


def test_lists_of_the_withdrawn_release_are_recognised(tmp_path):
    train = TRAIN + "audio/airport-barcelona-1-87-c.wav\tairport\n"
    made = open_tau(tau(tmp_path, train, EVALUATE + "audio/tram-barcelona-275-8394-c.wav\ttram\n"))
    assert len(made) == 3
    assert "withdrawn" in made.notes[0]
    assert "2 clips" in made.notes[0]


def test_a_split_that_lacks_the_smaller_one_is_refused(tmp_path):
    tau(tmp_path)
    write_lists(
        tmp_path,
        split5="filename\tscene_label\naudio/bus-lyon-10-40-0-a.wav\tbus\n",
        split10="filename\tscene_label\naudio/park-oslo-11-41-3-s1.wav\tpark\n",
    )
    with pytest.raises(DataError, match=r"split10\.csv lacks 1 clips of the smaller splits"):
        open_tau(tmp_path)


def test_a_split_is_checked_as_the_other_lists_are(tmp_path):
    tau(tmp_path)
    write_lists(
        tmp_path,
        split5="filename\tscene_label\naudio/bus-lyon-10-40-0-a.wav\ttram\naudio/bus-lyon-10-40-0-a.wav\tbus\n",
    )
    bad = BadRows(skip=True)
    open_tau(tmp_path, bad)
    assert bad.told()[0].endswith(
        "line 2: the clip audio/bus-lyon-10-40-0-a.wav is 'bus' in the other lists; "
        "line 3: the clip audio/bus-lyon-10-40-0-a.wav is listed again, first in line 2"
    )


def test_a_split_may_name_a_clip_that_is_left_out(tmp_path):
    gone, wrong = "audio/airport-barcelona-1-87-c.wav\tairport\n", "audio/bus-lyon-10-41-0-a.wav\tboat\n"
    more = "".join(f"audio/bus-lyon-10-{i}-0-a.wav\tbus\n" for i in range(8))
    tau(tmp_path, TRAIN + more + gone + wrong)
    write_lists(tmp_path, split5=TRAIN + gone + wrong)
    bad = BadRows(skip=True)
    made = open_tau(tmp_path, bad)
    assert made.smallest_split.tolist() == [5, 5] + 9 * [0]
    assert bad.told()[0].startswith("2 bad rows")
    assert "withdrawn" in made.notes[0]
    write_lists(tmp_path, split5=TRAIN + "audio/bus-rome-99-99-0-a.wav\tbus\n")
    with pytest.raises(DataError, match=r"1 clips of its splits are in no other list, first audio/bus-rome-99-99-0-a"):
        open_tau(tmp_path)


def test_a_clip_that_trains_is_not_tested(tmp_path):
    bad = BadRows()
    tau(tmp_path, evaluate=EVALUATE + TRAIN.splitlines()[1].replace("audio", "./audio") + "\n")
    made = open_tau(tmp_path, bad)
    assert made.fold.tolist() == ["train", "train", "test"]
    with pytest.raises(DataError, match=r"line 3: the clip audio/bus-lyon-10-40-0-a\.wav is in fold1_train\.csv too"):
        bad.told()


def test_a_set_may_have_lists_of_several_folds(tmp_path):
    tau(tmp_path)
    other = {"fold2_train": EVALUATE, "fold2_evaluate": TRAIN}
    write_lists(tmp_path, **{f"evaluation_setup__{name}": text for name, text in other.items()})
    assert open_tau(tmp_path, fold="2").fold.tolist() == ["train", "test", "test"]
    assert open_tau(tmp_path, fold="1").fold.tolist() == ["train", "train", "test"]
    with pytest.raises(DataError, match="--fold takes 1, 2, or a split of 2024; 7 came"):
        open_tau(tmp_path, fold="7")


@pytest.fixture(scope="module")
def mobile_2022(tmp_path_factory) -> Path:
    """The real lists of 2022 with the splits of 2024 beside them."""
    folder = tmp_path_factory.mktemp("tau") / "TAU-urban-acoustic-scenes-2022-mobile-development"
    folder.mkdir()
    for path in (LISTS / folder.name).iterdir():
        (folder / path.name).symlink_to(path)
    for path in (LISTS / "dcase2024_splits").glob("split*.csv"):
        (folder / path.name).symlink_to(path)
    return folder


@with_data
def test_the_real_set_of_2022_counts_as_published(mobile_2022):
    made = open_dataset(mobile_2022, on_disk=False)
    assert len(made) == 230_350
    assert Counter(made.fold.tolist()) == {"train": 139_620, "test": 29_680, "": 61_050}
    everywhere = Counter(made.device.tolist())
    assert (everywhere["a"], everywhere["b"], everywhere["c"]) == (144_000, 10_780, 10_770)
    assert {everywhere[f"s{i}"] for i in range(1, 7)} == {10_800}
    assert len(set(made.recording)) == 514
    assert made.notes == ()
    published = {"split5": 6_980, "split10": 13_960, "split25": 34_900, "split50": 69_800, "split100": 139_620}
    for name, clips in published.items():
        split = fold_split(made, name)
        assert (len(split.train), len(split.test)) == (clips, 29_680), name
    of_5 = Counter(made.device[fold_split(made, "split5").train].tolist())
    assert of_5 == {"a": 5_080, "b": 380, "c": 380, "s1": 380, "s2": 380, "s3": 380}
    with pytest.raises(DataError, match="--fold takes 1, split5, split10, split25, split50, split100; split7 came"):
        fold_split(made, "split7")


@with_data
def test_the_real_3_class_set_counts_as_published():
    folder = LISTS / "TAU-urban-acoustic-scenes-2020-3class-development"
    made = open_dataset(folder, on_disk=False)
    count = {
        part: Counter(made.classes[i] for i in made.target[made.fold == part].tolist()) for part in ("train", "test")
    }
    assert count["train"] == {"indoor": 2_704, "outdoor": 3_757, "transportation": 2_724}
    assert count["test"] == {"indoor": 1_297, "outdoor": 1_604, "transportation": 1_284}
    assert set(made.device) == {"a"}
