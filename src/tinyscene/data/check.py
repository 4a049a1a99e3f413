"""What of a known data set is there: packages, and whether lists and audio agree."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from ..errors import DataError
from .download import MARKERS, marker_of, missing_files_of, read_marker, what_is_wrong
from .folders import SUFFIXES
from .packages import KnownSet, Package, known_sets
from .simulated_clips import MARKER, unfinished
from .usable import compared_with_disk

# How a package is. "archive": whole, not unpacked; "by hand": no trace of it, but the set is there without our help.
STATES = ("unpacked", "archive", "part", "missing", "damaged", "wrong", "by hand")

_SIMULATED = KnownSet(
    "simulated devices",
    "a set with simulated devices",
    "that of its source",
    "",
    note="clips that are missing are made again by the command that made the set, tinyscene data simulate-devices",
)


@dataclass(frozen=True)
class PackageState:
    """One package: `state` is one of STATES, `detail` says what is lacking."""

    package: Package
    state: str
    detail: str = ""


@dataclass(frozen=True)
class SetReport:
    """What there is of one set.

    Attributes:
        n_listed: clips that its lists name; None without lists of clips.
        n_audio: audio files in the folders that the lists name.
        absent: listed clips that are not on disk.
        unlisted: audio files that no list names.
    """

    known: KnownSet
    folder: Path
    packages: tuple[PackageState, ...]
    n_listed: int | None
    n_audio: int | None
    absent: tuple[str, ...]
    unlisted: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether every package is there, every listed clip, and no other."""
        there = all(one.state in ("unpacked", "by hand") for one in self.packages)
        return there and not self.absent and not self.unlisted


def check(folder: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None) -> tuple[SetReport, ...]:
    """A report for each known set in a folder: the set's own, or the one that it was fetched into.

    Archives that lie there are read and their MD5 compared. A set with simulated devices has no packages, only lists.

    Raises:
        DataError: no such folder, no known set in it, or a simulated set that is not finished.
    """
    path = Path(folder)
    if not path.is_dir():
        raise DataError(f"{path} is no folder.")
    if told := unfinished(path):
        raise DataError(told)
    if (path / MARKER).is_file():
        own = path.resolve()
        return (_report(own.parent, replace(_SIMULATED, folder=own.name), progress),)
    found: dict[tuple[Path, str], tuple[Path, KnownSet]] = {}
    for known in known_sets().values():
        base = _base_of(path.resolve(), known)
        if _traces(base, known):
            found[base, known.folder] = base, known  # esc10 and esc50 are one folder: one report
    if not found:
        raise DataError(
            f"{path} holds none of the sets that can be fetched, such as {known_sets()['tau2022-mobile'].folder}. See "
            "tinyscene data get --list, or look at a set of your own with tinyscene data describe."
        )
    return tuple(_report(base, known, progress) for base, known in found.values())


def _base_of(path: Path, known: KnownSet) -> Path:
    """The folder that a set was fetched into, if `path` is it or the set's own."""
    depth = len(PurePath(known.folder).parts)
    if PurePath(*path.parts[-depth:]) == PurePath(known.folder):
        return path.parents[depth - 1]
    return path


def _traces(base: Path, known: KnownSet) -> bool:
    """Whether anything of a set is there. Its folder alone may be another set's: that of the splits is."""
    folder = base / known.folder
    if any(marker_of(known, base, package.file).exists() for package in known.packages):
        return True
    if any(path.exists() for package in known.packages for path in _places(base, known, package)):
        return True
    return (folder / MARKERS).is_dir() or _has_lists(folder, known)


def _has_lists(folder: Path, known: KnownSet) -> bool:
    """Whether it has lists of its own, and not only those of the splits, which lie beside them."""
    setup = f"{known.folder}/evaluation_setup"
    guests = {package.file for other in known_sets().values() if other.folder == setup for package in other.packages}
    return any(path.name not in guests for path in (folder / "evaluation_setup").glob("*.csv"))


def _places(base: Path, known: KnownSet, package: Package) -> tuple[Path, Path]:
    """Where a package lies when it is whole, and where it grows."""
    place = (base if package.is_archive else base / known.folder) / package.file
    return place, place.with_name(f"{package.file}.part")


def _report(base: Path, known: KnownSet, progress: Callable[[int, int], None] | None) -> SetReport:
    folder = base / known.folder
    if not known.packages:
        known = _as_unpacked(base, known)
    gone = missing_files_of(known, base)
    by_hand = not (folder / MARKERS).is_dir() and (folder / "audio").is_dir()
    states = []
    for i, package in enumerate(known.packages, start=1):
        states.append(_state(base, known, package, gone[package], by_hand))
        if progress is not None:
            progress(i, len(known.packages))
    listed = _listed(folder)
    if listed is None:
        return SetReport(known, folder, tuple(states), None, None, (), ())
    missing, unlisted = compared_with_disk(folder, listed, SUFFIXES)
    absent = tuple(listed[i] for i in missing)
    n_audio = len(listed) - len(absent) + len(unlisted)
    return SetReport(known, folder, tuple(states), len(listed), n_audio, absent, tuple(unlisted))


def _state(base: Path, known: KnownSet, package: Package, gone: list[str] | None, by_hand: bool) -> PackageState:
    if gone is None:
        return PackageState(package, "unpacked")
    place, part = _places(base, known, package)
    if gone:
        n_all = len(read_marker(marker_of(known, base, package.file)) or ())
        here = "; its archive is here" if package.is_archive and place.is_file() else ""
        return PackageState(package, "damaged", f"{len(gone):,} of {n_all:,} files gone or cut, first {gone[0]}{here}")
    if place.is_file():
        wrong = what_is_wrong(place, package)
        if wrong:
            return PackageState(package, "wrong", wrong)
        return PackageState(package, "archive" if package.is_archive else "unpacked")
    if part.is_file():
        return PackageState(package, "part", f"{part.stat().st_size:,} of {package.size:,} bytes")
    return PackageState(package, "by hand" if by_hand else "missing")


def _as_unpacked(base: Path, known: KnownSet) -> KnownSet:
    """A set whose packages only its record lists, with those that were unpacked here."""
    packages = []
    for marker in sorted((base / known.folder / MARKERS).glob("*.json")):
        try:
            packages.append(Package(**json.loads(marker.read_text(encoding="utf-8"))["package"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return known.with_packages(packages)


def _listed(folder: Path) -> list[str] | None:
    """The clips that the lists of a TAU set name, each once; None without lists."""
    lists = [folder / "meta.csv", *sorted((folder / "evaluation_setup").glob("*.csv"))]
    clips: dict[str, None] = {}
    there = False
    for path in lists:
        try:
            head, *rows = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError):  # not there, empty or no text: `open_dataset` says more
            continue
        if head.partition("\t")[0].strip() == "filename":
            there = True
            clips.update((row.partition("\t")[0].strip(), None) for row in rows if row.strip())
    return list(clips) if there else None
