"""The registry of data sets: it is Zenodo's list to the byte, and says where it knows nothing."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest

from tinyscene.data.packages import KINDS, find_set, from_record, known_sets
from tinyscene.errors import DataError, SettingError


def test_archives_are_those_of_zenodo(real_data):
    listed = json.loads((real_data / "tau_lists" / "zenodo_packages.json").read_text())
    ours = {known.folder: known for known in known_sets().values() if known.packages and known.record}
    assert set(ours) == set(listed)
    for folder, entry in listed.items():
        known = ours[folder]
        assert known.record == entry["zenodo_record"]
        assert known.size == sum(package["bytes"] for package in entry["packages"])
        theirs = [
            ("doc" if p["type"] == "documentation" else p["type"], p["file"], p["bytes"], p["md5"], entry["base"])
            for p in entry["packages"]
        ]
        assert theirs == [(p.kind, p.file, p.bytes, p.md5, p.url.removesuffix(p.file)) for p in known.packages]


def test_lists_of_the_splits_have_the_known_lines(real_data):
    known = {package.file: package for package in find_set("dcase2024-splits").packages}
    assert set(known) == {f"{name}.csv" for name in ("split5", "split10", "split25", "split50", "split100", "test")}
    for path in (real_data / "tau_lists" / "dcase2024_splits").glob("*.csv"):
        assert len(path.read_text().splitlines()) == known[path.name].lines
        assert path.stat().st_size == pytest.approx(known[path.name].size, rel=0.02)
    setup = real_data / "tau_lists" / "TAU-urban-acoustic-scenes-2022-mobile-development" / "evaluation_setup"
    assert len((setup / "fold1_train.csv").read_text().splitlines()) == known["split100.csv"].lines


def test_splits_lie_where_the_loader_looks():
    assert find_set("dcase2024-splits").folder == f"{find_set('tau2022-mobile').folder}/evaluation_setup"


def test_every_set_can_be_shown_and_lies_inside_its_folder():
    files = set()
    for name, known in known_sets().items():
        assert name == known.name == name.lower()
        assert known.title
        assert known.licence
        assert not known.folder.startswith(("/", "."))
        for package in known.packages:
            assert package.kind in KINDS
            assert re.fullmatch(r"[\w.-]+\.(zip|csv)", package.file)
            assert urlsplit(package.url).scheme == "https"
            assert package.md5 is None or re.fullmatch("[0-9a-f]{32}", package.md5)
            assert package.size > 0
            files.add((known.folder, package.file))
    assert len(files) == sum(len(known.packages) for known in known_sets().values()) - 1  # ESC-10 is in ESC-50's


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("tau2019", "2019-development"),
        ("tau2019-leaderboard", "2019-leaderboard"),
        ("tau2020-3class-evaluation", "2020-3class-evaluation"),
        ("tau2021-mobile", "2020-mobile-development"),
        ("tau2025-mobile", "2022-mobile-development"),
        ("TAU2022_mobile", "2022-mobile-development"),
        ("tau2023-mobile-evaluation", "2023-mobile-evaluation"),
    ],
)
def test_years_go_to_their_folders(name, folder):
    assert find_set(name).folder == f"TAU-urban-acoustic-scenes-{folder}"


def test_a_wrong_name_is_told_with_the_nearest():
    with pytest.raises(SettingError, match=r"Did you mean 'tau2022-mobile'\?"):
        find_set("tau2022-mobil")


def test_licences_are_those_of_the_sets():
    assert "non-commercial" in find_set("tau2022-mobile").licence
    assert find_set("esc50").licence.startswith("CC BY-NC 3.0")
    assert find_set("esc10").licence.startswith("CC BY 3.0")
    assert "not checked" in find_set("esc10").note


@pytest.mark.parametrize("name", ["tau2024-mobile-evaluation", "micirp"])
def test_what_is_not_known_is_said(name):
    known = find_set(name)
    assert not known.can_be_fetched
    assert "not known here" in known.note or "is known here" in known.note


def test_parts_are_chosen_by_kind():
    known = find_set("tau2022-mobile")
    chosen = known.only(["meta", "doc"])
    assert [package.kind for package in chosen.packages] == ["doc", "meta"]
    assert known.only(None) is known
    with pytest.raises(SettingError, match="'lists'; it takes doc, meta, audio"):
        known.only(["lists"])
    with pytest.raises(SettingError, match=r"--only takes doc, meta, audio, .* nothing came"):
        known.only([])
    with pytest.raises(DataError, match="esc50 has no part meta; its parts are audio"):
        find_set("esc50").only(["meta"])


def test_a_record_is_read_as_zenodo_gives_it():
    known = find_set("tau2023-mobile-evaluation")
    stem, md5 = known.folder, "0" * 32
    listing = {
        "files": [
            {"key": f"{stem}.audio.1.zip", "size": 7, "checksum": f"md5:{md5}", "links": {}},
            {"key": f"{stem}.meta.zip", "size": 5, "checksum": f"md5:{md5}"},
            {"key": f"{stem}.audio/../x.zip", "size": 5, "checksum": f"md5:{md5}"},
            {"key": "README.html", "size": 5, "checksum": f"md5:{md5}"},
        ]
    }
    packages = from_record(known, listing, "https://host/").packages
    assert [(p.kind, p.file, p.bytes, p.md5, p.url) for p in packages] == [
        ("audio", f"{stem}.audio.1.zip", 7, md5, f"https://host/{stem}.audio.1.zip"),
        ("meta", f"{stem}.meta.zip", 5, md5, f"https://host/{stem}.meta.zip"),
    ]
    with pytest.raises(DataError, match="lists no archive"):
        from_record(known, {"files": listing["files"][3:]}, "https://host/")
    with pytest.raises(DataError, match="not in the form"):
        from_record(known, {"message": "gone"}, "https://host/")
