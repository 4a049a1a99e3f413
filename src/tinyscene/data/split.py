"""Which clips train and which test: by fold, by share of recordings, and the inner validation part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .dataset import Dataset


@dataclass(frozen=True)
class Split:
    """Row indices of the training and the test clips, and how they were found."""

    train: np.ndarray
    test: np.ndarray
    how: str


def fold_split(dataset: Dataset, fold: str) -> Split:
    """Test on the clips of `fold`, train on all other folds; on lists named train/test, fold "1" is the official one.

    "split5" to "split100" train on that share of the official training clips, as in 2024 and 2025.

    Raises:
        DataError: the data set has no labels, no folds, not this one, or nothing is left to train on.
    """
    if (dataset.target < 0).any():
        raise DataError(f"{dataset.name} is an evaluation set without labels; predict it with: tinyscene predict.")
    folds = sorted(set(dataset.fold) - {""}, key=lambda name: (len(name), name))
    if not folds:
        raise DataError(f"{dataset.name} has no fold column; part it by recording with --test-share 0.2.")
    if set(folds) <= {"train", "test", "validation"}:
        train, test = dataset.fold == "train", dataset.fold == "test"
        official = dataset.official_fold
        how = f"official fold {official}"
        splits = [f"split{share}" for share in np.unique(dataset.smallest_split) if share]
        splits = [*splits, "split100"] if splits and "split100" not in splits else splits
        if fold == "split100":
            how = "official split100, which is fold 1"
        elif fold in splits:
            share = int(fold.removeprefix("split"))
            train = train & (dataset.smallest_split > 0) & (dataset.smallest_split <= share)
            how = f"official {fold}"
        elif fold != official:
            takes = ", ".join([official, *splits])
            hint = " Get the splits with: tinyscene data get dcase2024-splits." if fold.startswith("split") else ""
            raise DataError(f"{dataset.name}: --fold takes {takes}; {fold} came.{hint}")
    else:
        train, test = (dataset.fold != fold) & (dataset.fold != ""), dataset.fold == fold
        how = f"fold {fold} of {', '.join(folds)}"
        if not test.any():
            raise DataError(f"{dataset.name} has no test clips in fold {fold}; its folds are {', '.join(folds)}.")
    return _checked(dataset, Split(np.flatnonzero(train), np.flatnonzero(test), how))


def share_split(dataset: Dataset, share: float, seed: int) -> Split:
    """Test on about `share` (0..1, both excluded) of each class's clips, whole recordings at a time.

    Raises:
        DataError: share out of range, or a class with one recording only.
    """
    if not 0 < share < 1:
        raise DataError(f"--test-share takes a number between 0 and 1; {share} came.")
    everything = np.arange(len(dataset))
    test = _hold_out(dataset, everything, share, seed)
    how = f"{share:g} of the recordings of each class, seed {seed}"
    return _checked(dataset, Split(np.setdiff1d(everything, test), test, how))


def inner_validation(dataset: Dataset, train: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(training, validation) rows out of `train`, parted by recording; share 0 leaves the validation part empty."""
    if share == 0:
        return train, train[:0]
    validation = _hold_out(dataset, train, share, seed)
    return np.setdiff1d(train, validation), validation


def _hold_out(dataset: Dataset, rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Rows of whole recordings, drawn class by class until each has given about `share` of its clips.

    A recording may hold clips of several classes. Each class gives one recording or more and keeps one or more.
    """
    rng = np.random.default_rng(seed)
    recording, target = dataset.recording[rows].astype(str), dataset.target[rows]
    clips: dict[int, dict[str, int]] = {}  # class -> its recordings -> how many of its clips each has
    owners: dict[str, set[int]] = {}  # recording -> the classes in it
    for label, name in enumerate(dataset.classes):
        names, counts = np.unique(recording[target == label], return_counts=True)
        if len(names) < 2:
            raise DataError(
                f"class '{name}' of {dataset.name} has {len(names)} recording(s) here; two are needed to hold "
                "one out. Record more, or give a fold column."
            )
        clips[label] = dict(zip(names.tolist(), counts.tolist(), strict=True))
        for own in clips[label]:
            owners.setdefault(own, set()).add(label)
    left = {label: len(own) for label, own in clips.items()}  # recordings not held out yet
    held: set[str] = set()

    def hold(own: str) -> None:
        held.add(own)
        for label in owners[own]:
            left[label] -= 1

    for own in clips.values():
        wanted = share * sum(own.values())
        taken = sum(count for name, count in own.items() if name in held)
        order = [name for name in rng.permutation(list(own)).tolist() if name not in held]
        for name in order:
            overshoots = taken + own[name] - wanted > wanted - taken  # by more than is missing
            if not overshoots and all(left[other] > 1 for other in owners[name]):
                hold(name)
                taken += own[name]
        free = [name for name in order if all(left[other] > 1 for other in owners[name])]
        if not taken and free:
            hold(min(free, key=own.__getitem__))
    return rows[np.isin(recording, sorted(held))]


def _checked(dataset: Dataset, split: Split) -> Split:
    if not len(split.test):
        raise DataError(f"{dataset.name}, {split.how}: there are no test clips.")
    seen = set(dataset.target[split.train])
    unseen = [name for i, name in enumerate(dataset.classes) if i not in seen]
    if unseen:
        raise DataError(f"{dataset.name}, {split.how}: class '{unseen[0]}' has no training clips.")
    return split
