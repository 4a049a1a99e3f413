"""Data sets as tables of clips, their splits, and the feature cache."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .clip_store import ClipStore, cache_folder
    from .clips import Crops, EpochSampler, clip_windows, training_loader
    from .dataset import Dataset, make_dataset
    from .open import open_dataset
    from .split import Split, fold_split, inner_validation, share_split
    from .synthetic import make_synthetic_set
    from .tau import TAU_CLASSES, TAU_GROUPS, open_tau
    from .tau_names import parse_name

__all__ = [
    "TAU_CLASSES",
    "TAU_GROUPS",
    "ClipStore",
    "Crops",
    "Dataset",
    "EpochSampler",
    "Split",
    "cache_folder",
    "clip_windows",
    "fold_split",
    "inner_validation",
    "make_dataset",
    "make_synthetic_set",
    "open_dataset",
    "open_tau",
    "parse_name",
    "share_split",
    "training_loader",
]

# Lazily, so that a list is read without torch.
__getattr__ = lazy_names(
    __name__,
    {
        "TAU_CLASSES": "tau",
        "TAU_GROUPS": "tau",
        "ClipStore": "clip_store",
        "Crops": "clips",
        "Dataset": "dataset",
        "EpochSampler": "clips",
        "Split": "split",
        "cache_folder": "clip_store",
        "clip_windows": "clips",
        "fold_split": "split",
        "inner_validation": "split",
        "make_dataset": "dataset",
        "make_synthetic_set": "synthetic",
        "open_dataset": "open",
        "open_tau": "tau",
        "parse_name": "tau_names",
        "share_split": "split",
        "training_loader": "clips",
    },
)
