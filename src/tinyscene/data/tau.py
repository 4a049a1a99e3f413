"""TAU Urban Acoustic Scenes, Mobile development sets (2020: 10 s clips, 2022: 1 s clips): names, lists, fold 1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import DataError
from .dataset import Dataset, make_dataset
from .tables import read_table

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


@dataclass(frozen=True)
class ClipName:
    """What a TAU file name says: <scene>-<city>-<location>-<segment>[-<second>]-<device>.wav."""

    scene: str
    city: str
    location: str
    segment: str
    device: str


def parse_name(file: str) -> ClipName:
    """The parts of a TAU file name.

    Raises:
        DataError: the name has not five or six parts.
    """
    parts = PurePosixPath(file).stem.split("-")
    if len(parts) not in (5, 6):
        raise DataError(f"'{file}' is no TAU file name: <scene>-<city>-<location>-<segment>[-<second>]-<device>.wav.")
    return ClipName(parts[0], parts[1], parts[2], parts[3], parts[-1])


def is_tau(folder: Path) -> bool:
    """Whether a folder is laid out as a TAU development set."""
    return (folder / "meta.csv").is_file() and (folder / "evaluation_setup" / "fold1_train.csv").is_file()


def open_tau(folder: Path) -> Dataset:
    """The clips of fold 1: fold "train" and "test"; clips in neither list are left out, as the official setup does.

    Raises:
        DataError: a list without its columns, or an empty one.
    """
    setup = folder / "evaluation_setup"
    files: list[str] = []
    labels: list[str] = []
    fold: list[str] = []
    for part, list_name in (("train", "fold1_train.csv"), ("test", "fold1_evaluate.csv")):
        headers, rows = read_table(setup / list_name)
        missing = [name for name in ("filename", "scene_label") if name not in headers]
        if missing:
            raise DataError(f"{setup / list_name} has no column {missing[0]}; its columns are {', '.join(headers)}.")
        if not rows:
            raise DataError(f"{setup / list_name} lists no clips.")
        files += [row["filename"] for row in rows]
        labels += [row["scene_label"] for row in rows]
        fold += [part] * len(rows)
    names = [parse_name(file) for file in files]
    return make_dataset(
        name=folder.name,
        root=folder,
        files=files,
        labels=labels,
        fold=fold,
        device=[name.device for name in names],
        city=[name.city for name in names],
        recording=[f"{name.scene}-{name.city}-{name.location}" for name in names],
        segment=[PurePosixPath(file).stem.rpartition("-")[0] for file in files],
        synthetic=(folder / "synthetic.json").is_file(),
    )
