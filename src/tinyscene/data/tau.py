"""TAU Urban Acoustic Scenes of every edition, 2019 to 2025: names, lists, splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import DataError
from .bad_rows import BadRows
from .dataset import Dataset, make_dataset, unlabelled_dataset
from .tables import Table, read_table
from .tau_names import Columns
from .usable import tidy, usable_rows

# The scenes of every TAU set in the order of all DCASE baselines, and the three groups of the 3-class sets.
TAU_CLASSES = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)
TAU_GROUPS = {
    "indoor": ("airport", "metro_station", "shopping_mall"),
    "outdoor": ("park", "public_square", "street_pedestrian", "street_traffic"),
    "transportation": ("bus", "metro", "tram"),
}

EVALUATION_LISTS = ("fold1_test.csv", "test.csv")
SPLITS = (5, 10, 25, 50, 100)  # percent of the training clips, 2024 and 2025
WITHDRAWN = frozenset(  # in the first release of 2020 Mobile only
    (
        "airport-barcelona-1-87-c.wav",
        "public_square-barcelona-108-3109-b.wav",
        "shopping_mall-london-131-3930-c.wav",
        "airport-barcelona-203-6132-b.wav",
        "tram-barcelona-275-8394-c.wav",
    )
)


def is_tau(folder: Path) -> bool:
    """Whether a folder is laid out as a TAU set: a development set with its training list, or an evaluation set."""
    setup = folder / "evaluation_setup"
    if (setup / "fold1_train.csv").is_file():
        return True
    return any((setup / name).is_file() for name in EVALUATION_LISTS) and not (folder / "meta.csv").is_file()


def open_tau(folder: Path, bad: BadRows | None = None, fold: str | None = None) -> Dataset:
    """A TAU set of any edition (2019 to 2025, development or evaluation), as far as its lists say.

    A development set has fold "train" and "test" of the lists of `fold` (sets of ours may have several; None: 1), and
    "" for clips in neither list; the splits of 2024 and 2025 where
    split5.csv to split100.csv lie beside the lists or in the folder itself. An evaluation set has no labels (target
    -1), and its devices only where the list names them (2025). Lists of the withdrawn first release of 2020 are
    recognised: the five clips that were taken back are left out, and a note says so.

    Raises:
        DataError: no such fold, a list without its columns, an empty one, splits that do not contain each other.
    """
    bad = bad or BadRows()
    if not (folder / "evaluation_setup" / "fold1_train.csv").is_file():
        return _open_evaluation(folder, bad)
    setup = folder / "evaluation_setup"
    number = "1" if fold is None or fold.startswith("split") else fold
    if not (setup / f"fold{number}_train.csv").is_file():
        lists = setup.glob("fold*_train.csv")
        folds = sorted(path.name.removeprefix("fold").removesuffix("_train.csv") for path in lists)
        raise DataError(f"{folder.name}: --fold takes {', '.join(folds)}, or a split of 2024; {fold} came.")
    train = _listed(setup / f"fold{number}_train.csv", bad)
    known = _known_classes(train.columns["scene_label"])
    meta = read_table(folder / "meta.csv", bad) if (folder / "meta.csv").is_file() else None
    whole = meta is not None and meta.lines and {"filename", "scene_label"} <= meta.columns.keys()
    listed = meta if meta is not None and whole else train
    test = _test_list(
        setup, number, dict(zip(listed.columns["filename"], listed.columns["scene_label"], strict=True)), bad
    )
    label: dict[str, str] = {}
    row_fold: dict[str, str] = {}
    # meta.csv says what there is, in its order; what only a fold list names comes behind it.
    tables = [*([(listed, "")] if whole else []), (train, "train"), (test, "test")]
    for table, part in tables:
        label, files = _agreed(table, folder, label, listed.path.name, known, bad)
        if part:
            if not row_fold.keys().isdisjoint(files):
                row = table.columns["filename"].index
                for file in sorted(row_fold.keys() & set(files), key=row):
                    bad.add(table.path, table.lines[row(file)], f"the clip {file} is in {train.path.name} too")
            row_fold = dict.fromkeys(files, part) | row_fold
    named = set().union(*(table.columns["filename"] for table, _ in tables))
    smallest_split = _smallest_split(folder, label, named, known, bad)
    withdrawn = [file for file in label if file.rpartition("/")[2] in WITHDRAWN]
    for file in withdrawn:
        del label[file]
    columns = Columns(label, [table for table, _ in tables], bad)
    return make_dataset(
        name=folder.name,
        root=folder,
        files=columns.files,
        labels=[label[file] for file in columns.files],
        fold=[row_fold.get(file, "") for file in columns.files],
        device=columns.device,
        city=columns.city,
        recording=columns.recording,
        segment=columns.segment,
        smallest_split=[smallest_split.get(file, 0) for file in columns.files] if smallest_split else None,
        synthetic=(folder / "synthetic.json").is_file(),
        notes=_notes_of(withdrawn),
        official_fold=number,
    )


def in_three_classes(dataset: Dataset) -> Dataset:
    """A set of the ten scenes as the task of 2020 B has it: indoor, outdoor, transportation; a note says so."""
    groups = sorted(TAU_GROUPS)
    group = {scene: groups.index(name) for name, scenes in TAU_GROUPS.items() for scene in scenes}
    of_class = np.asarray([group[name] for name in dataset.classes], dtype=np.int64)
    note = f"the scenes are taken together as {', '.join(groups)}, the classes of the system."
    return replace(dataset, classes=tuple(groups), target=of_class[dataset.target], notes=(*dataset.notes, note))


def _listed(path: Path, bad: BadRows) -> Table:
    table = read_table(path, bad)
    missing = [name for name in ("filename", "scene_label") if name not in table.columns]
    if missing:
        raise DataError(f"{path} has no column {missing[0]}; its columns are {', '.join(table.headers)}.")
    if not table.lines:
        raise DataError(f"{path} lists no clips.")
    table.columns["filename"] = tidy(table.columns["filename"])
    return table


def _test_list(setup: Path, number: str, labels: Mapping[str, str], bad: BadRows) -> Table:
    """fold1_evaluate.csv; or fold1_test.csv or test.csv, labelled from meta.csv or, in ten classes, from the names."""
    labelled, others = setup / f"fold{number}_evaluate.csv", (f"fold{number}_test.csv", "test.csv")
    if labelled.is_file():
        return _listed(labelled, bad)
    path = next((setup / name for name in others if (setup / name).is_file()), None)
    if path is None:
        raise DataError(f"{labelled} does not exist, nor do {' and '.join(others)}.")
    table = read_table(path, bad)
    group = {scene: name for name, scenes in TAU_GROUPS.items() for scene in scenes}
    grouped = set(labels.values()) <= set(TAU_GROUPS)
    if "filename" not in table.columns:
        raise DataError(f"{path} has no column filename; its columns are {', '.join(table.headers)}.")
    files, told = tidy(table.columns["filename"]), []
    for file in files:
        scene = file[file.rfind("/") + 1 :].partition("-")[0]
        told.append(labels.get(file) or (group.get(scene, "") if grouped else scene))
    return Table(path, {"filename": files, "scene_label": told}, table.lines)


def _known_classes(labels: Sequence[str]) -> frozenset[str] | None:
    """The ten scenes or the three groups, where nearly all labels are such; None for a set of other classes."""
    for known in (frozenset(TAU_CLASSES), frozenset(TAU_GROUPS)):
        if sum(label in known for label in labels) > 0.5 * len(labels):
            return known
    return None


def _agreed(
    table: Table, folder: Path, label: dict[str, str], where: str, known: frozenset[str] | None, bad: BadRows
) -> tuple[dict[str, str], list[str]]:
    """`label` and behind it what the table's usable rows tell of other clips; the files of these rows.

    Rows that contradict `label`, which was read in the list `where`, go into `bad`.
    """
    files, labels = table.columns["filename"], table.columns["scene_label"]
    keep = usable_rows(table.path, folder, files, labels, table.lines, bad, known)
    if len(keep) < len(files):
        files, labels = [files[i] for i in keep], [labels[i] for i in keep]
    fresh = dict(zip(files, labels, strict=True)) | label
    if list(map(fresh.__getitem__, files)) != labels:
        for file, told, i in zip(files, labels, keep, strict=True):
            if fresh[file] != told:
                bad.add(table.path, table.lines[i], f"the clip {file} is '{fresh[file]}' in {where}")
    return label | fresh, files


def _smallest_split(
    folder: Path, label: dict[str, str], named: set[str], known: frozenset[str] | None, bad: BadRows
) -> dict[str, int] | None:
    """Of each clip the smallest of the 2024 splits it is in (5, 10, 25, 50, 100 % of the training clips).

    `named` are all clips of the other lists, usable or not.
    """
    found: dict[str, int] = {}
    before: set[str] = set()
    for share in SPLITS:
        places = (folder / "evaluation_setup" / f"split{share}.csv", folder / f"split{share}.csv")
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            continue
        table = _listed(path, bad)
        inside = set(table.columns["filename"])
        _agreed(table, folder, label, "the other lists", known, bad)
        if not before <= inside:
            raise DataError(
                f"{path} lacks {len(before - inside):,} clips of the smaller splits, first {min(before - inside)}; "
                "each split holds the smaller ones. Get the lists again: tinyscene data get dcase2024-splits."
            )
        for file in inside - before:
            found[file] = share
        before = inside
    if not found:
        return None
    strangers = before - named
    if strangers:
        raise DataError(
            f"{folder}: {len(strangers):,} clips of its splits are in no other list, first {min(strangers)}; the "
            "splits of 2024 and 2025 are those of TAU Urban Acoustic Scenes 2022 Mobile."
        )
    return found


def _open_evaluation(folder: Path, bad: BadRows) -> Dataset:
    path = next(
        folder / "evaluation_setup" / n for n in EVALUATION_LISTS if (folder / "evaluation_setup" / n).is_file()
    )
    table = read_table(path, bad)
    if "filename" not in table.columns:
        raise DataError(f"{path} has no column filename; its columns are {', '.join(table.headers)}.")
    table.columns["filename"] = tidy(table.columns["filename"])
    keep = usable_rows(path, folder, table.columns["filename"], None, table.lines, bad)
    devices = table.columns.get("device_id")
    return unlabelled_dataset(
        name=folder.name,
        root=folder,
        classes=tuple(TAU_GROUPS) if "3class" in folder.name else TAU_CLASSES,
        files=[table.columns["filename"][i] for i in keep],
        device=[devices[i] for i in keep] if devices else None,
    )


def _notes_of(withdrawn: Sequence[str]) -> tuple[str, ...]:
    if not withdrawn:
        return ()
    return (
        f"these lists are those of the first release (Zenodo record 3670167), withdrawn since: {len(withdrawn)} clips "
        "of it were taken back and are left out here, as in record 3819968.",
    )
