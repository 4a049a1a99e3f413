"""The data sets that can be fetched: title, licence, record, folder, and each archive with its size and MD5."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from ..errors import DataError, SettingError, unknown

KINDS = ("doc", "meta", "audio")
_STEM = "TAU-urban-acoustic-scenes-"
_TAU_LICENCE = "free for non-commercial use, see its LICENSE"
_SPLITS = "https://github.com/CPJKU/dcase2024_task1_baseline/releases/download/files/"
_ESC = "https://github.com/karolpiczak/ESC-50/archive/master.zip"
# A zip of 24-bit recordings unpacks to 1.1 (one second, mono) to 1.2 (ten seconds, stereo) times its size.
_UNPACKED = 1.25


@dataclass(frozen=True)
class Package:
    """One file to fetch.

    Attributes:
        kind: "doc", "meta" or "audio".
        file: its name on disk and below a mirror.
        bytes: its exact size; None where none is published.
        md5: 32 hexadecimal digits; None where none is published.
        url: where it lies.
        about: bytes to plan with where `bytes` is None.
        lines: lines of a list, header included, which stand in for a checksum; None for archives.
    """

    kind: str
    file: str
    bytes: int | None
    md5: str | None
    url: str
    about: int = 0
    lines: int | None = None

    @property
    def is_archive(self) -> bool:
        """Whether it has to be unpacked."""
        return self.file.endswith(".zip")

    @property
    def size(self) -> int:
        """Bytes to plan with."""
        return self.about if self.bytes is None else self.bytes

    @property
    def unpacked(self) -> int:
        """Bytes it fills once unpacked, estimated."""
        return int(_UNPACKED * self.size) if self.is_archive else self.size


@dataclass(frozen=True)
class KnownSet:
    """A data set by name.

    Attributes:
        name: what `tinyscene data get` takes.
        folder: the folder it becomes.
        record: number of its Zenodo record, if it has one.
        packages: its files; empty where only the record lists them, or where nobody knows.
        note: what to know before fetching it, or why it cannot be fetched and where to get it.
    """

    name: str
    title: str
    licence: str
    folder: str
    record: str | None = None
    packages: tuple[Package, ...] = ()
    note: str = ""

    @property
    def size(self) -> int | None:
        """Bytes of all packages; None where the packages are not known here."""
        return sum(package.size for package in self.packages) if self.packages else None

    @property
    def can_be_fetched(self) -> bool:
        """Whether there is a record or a list of packages."""
        return bool(self.packages or self.record)

    def with_packages(self, packages: Iterable[Package]) -> KnownSet:
        """The same set with these packages."""
        return replace(self, packages=tuple(packages))

    def only(self, kinds: Iterable[str] | None) -> KnownSet:
        """The same set with the packages of these kinds.

        Raises:
            SettingError: no kind, or one that there is not.
            DataError: none of its packages is of these kinds.
        """
        if kinds is None:
            return self
        wanted = set(parts_of(kinds))
        kept = tuple(package for package in self.packages if package.kind in wanted)
        if not kept:
            there = ", ".join(dict.fromkeys(package.kind for package in self.packages))
            raise DataError(f"{self.name} has no part {' or '.join(sorted(wanted))}; its parts are {there}.")
        return self.with_packages(kept)


def parts_of(kinds: Iterable[str]) -> tuple[str, ...]:
    """The kinds, each once.

    Raises:
        SettingError: no kind, or one that there is not.
    """
    wanted = sorted(set(kinds))
    if not wanted:
        raise SettingError(f"--only takes {', '.join(KINDS)}, with a comma between several; nothing came.")
    for kind in wanted:
        if kind not in KINDS:
            raise unknown("--only", "part", kind, KINDS)
    return tuple(wanted)


@cache
def known_sets() -> Mapping[str, KnownSet]:
    """Every set by name; those of Zenodo come from zenodo.json beside this file."""
    listed = json.loads(files("tinyscene.data").joinpath("zenodo.json").read_text(encoding="utf-8"))
    sets = [_tau(suffix, entry["record"], entry["packages"]) for suffix, entry in listed.items()]
    at_record = "its archives are not listed here: names, sizes and MD5s are asked from the record"
    sets += [
        _tau("2023-mobile-evaluation", "7870258", note=at_record),
        _tau(
            "2024-mobile-evaluation",
            None,
            note="its Zenodo record is not known here; if you have the archives, unzip them into one folder",
        ),
        _tau("2025-mobile-evaluation", "15517945", note=f"{at_record}, whose number is second-hand"),
        _splits(),
        *_esc(),
        KnownSet(
            "micirp",
            "MicIRP: impulse responses of microphones",
            "Creative Commons, variant not stated; credit MicIRP and Xaudia.com",
            "micirp",
            note="no archive of it is known here: take the responses from micirp.blogspot.com, put the WAV files into "
            "one folder and name that folder where impulse responses are asked for",
        ),
    ]
    return dict(sorted((one.name, one) for one in sets))


# Years that had no training set of their own.
_SAME_AS = {
    "tau2021-mobile": "tau2020-mobile",
    **{f"tau{year}-mobile": "tau2022-mobile" for year in (2023, 2024, 2025)},
}


def find_set(name: str) -> KnownSet:
    """The set of that name; a year without a development set of its own gives the one it used.

    Raises:
        SettingError: no such set.
    """
    sets = known_sets()
    key = name.lower().replace("_", "-")
    key = _SAME_AS.get(key, key)
    if key not in sets:
        raise unknown("tinyscene data get", "data set", name, sets)
    return sets[key]


def from_record(known: KnownSet, listing: Mapping[str, object], files_url: str) -> KnownSet:
    """`known` with the packages that its Zenodo record lists.

    Args:
        listing: the record as Zenodo's API gives it: "files", each with "key", "size" and "checksum" ("md5:...").
        files_url: where the files lie, ending in a slash.

    Raises:
        DataError: the record is of another set, or not in this form.
    """
    packages = []
    try:
        for entry in listing["files"]:  # type: ignore[attr-defined]
            file, (algorithm, _, digest) = str(entry["key"]), str(entry["checksum"]).partition(":")
            part = file.removeprefix(f"{known.folder}.")
            kind = part.partition(".")[0]
            if part == file or kind not in KINDS or not file.endswith(".zip") or "/" in file or algorithm != "md5":
                continue
            packages.append(Package(kind, file, int(entry["size"]), digest, files_url + file))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"record {known.record} of Zenodo is not in the form known here ({error!r}).") from None
    if not packages:
        raise DataError(
            f"record {known.record} of Zenodo lists no archive {known.folder}.*.zip; look it up on zenodo.org, and "
            "unzip what you get into one folder."
        )
    return known.with_packages(packages)


def zenodo_url(record: str) -> str:
    """Where the files of a record lie, ending in a slash."""
    return f"https://zenodo.org/record/{record}/files/"


def _tau(suffix: str, record: str | None, parts: Iterable[tuple[str, int, str]] = (), note: str = "") -> KnownSet:
    """`suffix` is what the folder's name has behind TAU-urban-acoustic-scenes-; `parts` are (part, bytes, md5)."""
    folder = _STEM + suffix
    packages = tuple(
        Package(
            part.partition(".")[0], f"{folder}.{part}.zip", size, md5, f"{zenodo_url(str(record))}{folder}.{part}.zip"
        )
        for part, size, md5 in parts
    )
    name = f"tau{suffix.removesuffix('-development')}"
    title = "TAU Urban Acoustic Scenes " + suffix.replace("-", " ").replace("3class", "3Class").replace(
        "mobile", "Mobile"
    )
    return KnownSet(name, title, _TAU_LICENCE, folder, record, packages, note)


def _splits() -> KnownSet:
    """The lists of 2024 and 2025; their lines are those of the facts that the organisers' lists were counted to."""
    lines = {
        "split5": 6_981,
        "split10": 13_961,
        "split25": 34_901,
        "split50": 69_801,
        "split100": 139_621,
        "test": 29_681,
    }
    packages = tuple(
        Package("meta", f"{name}.csv", None, None, f"{_SPLITS}{name}.csv", about=52 * n, lines=n)
        for name, n in lines.items()
    )
    return KnownSet(
        "dcase2024-splits",
        "DCASE 2024 and 2025 training splits of TAU 2022 Mobile: 5, 10, 25, 50, 100 %",
        "no licence stated; release files of CPJKU/dcase2024_task1_baseline",
        # beside fold1_train.csv, where the TAU loader looks for them
        f"{_STEM}2022-mobile-development/evaluation_setup",
        packages=packages,
        note="no checksum is published: not checked, but for the number of lines",
    )


def _esc() -> tuple[KnownSet, KnownSet]:
    """ESC-10 is a part of ESC-50 and comes in the same archive; its size is that of a copy, GitHub states none."""
    archive = (Package("audio", "ESC-50-master.zip", None, None, _ESC, about=645_694_876),)
    unchecked = "no checksum is published: not checked, but for the CRC of each file in the archive"
    return (
        KnownSet(
            "esc10",
            "ESC-10: 400 clips of 5 s, 10 classes; a part of the ESC-50 archive",
            "CC BY 3.0, each clip credited in the archive's LICENSE; the rest of the archive is CC BY-NC 3.0",
            "ESC-50-master",
            packages=archive,
            note=f"its clips are those with esc10 = True in meta/esc50.csv; {unchecked}",
        ),
        KnownSet(
            "esc50",
            "ESC-50: 2,000 clips of 5 s, 50 classes",
            "CC BY-NC 3.0; each clip credited in the archive's LICENSE",
            "ESC-50-master",
            packages=archive,
            note=unchecked,
        ),
    )
