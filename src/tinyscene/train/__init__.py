"""Training: one LightningModule, objectives, gradients, schedules, checkpoints, journal."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .checkpoints import load, save
    from .decision import Decision
    from .fit import Fit
    from .job import Job, predict
    from .journal import JOURNAL, read_journal
    from .loop import WEIGHTS, train
    from .machine import Machine
    from .objectives import SceneAndGroupLoss, group_membership
    from .schedules import CosineRestarts, CosineWarmup

__all__ = [
    "JOURNAL",
    "WEIGHTS",
    "CosineRestarts",
    "CosineWarmup",
    "Decision",
    "Fit",
    "Job",
    "Machine",
    "SceneAndGroupLoss",
    "group_membership",
    "load",
    "predict",
    "read_journal",
    "save",
    "train",
]

__getattr__ = lazy_names(
    __name__,
    {
        "JOURNAL": "journal",
        "WEIGHTS": "loop",
        "CosineRestarts": "schedules",
        "CosineWarmup": "schedules",
        "Decision": "decision",
        "Fit": "fit",
        "Job": "job",
        "Machine": "machine",
        "SceneAndGroupLoss": "objectives",
        "group_membership": "objectives",
        "load": "checkpoints",
        "predict": "job",
        "read_journal": "journal",
        "save": "checkpoints",
        "train": "loop",
    },
)
