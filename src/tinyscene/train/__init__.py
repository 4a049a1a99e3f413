"""Training: one LightningModule, objectives, gradients, schedules, checkpoints, journal."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .checkpoints import load, save
    from .decision import Decision
    from .distill import Distill
    from .fit import Fit
    from .job import Job, predict
    from .journal import JOURNAL, read_journal
    from .loop import WEIGHTS, train
    from .machine import Machine
    from .objectives import SceneAndGroupLoss, group_membership
    from .per_device import PerDevice
    from .pix2pix_fit import Pix2PixSettings
    from .schedules import CosineRestarts, CosineWarmup
    from .self_distill import SelfDistill
    from .stage import Stage

__all__ = [
    "JOURNAL",
    "WEIGHTS",
    "CosineRestarts",
    "CosineWarmup",
    "Decision",
    "Distill",
    "Fit",
    "Job",
    "Machine",
    "PerDevice",
    "Pix2PixSettings",
    "SceneAndGroupLoss",
    "SelfDistill",
    "Stage",
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
        "Distill": "distill",
        "SelfDistill": "self_distill",
        "Stage": "stage",
        "Fit": "fit",
        "Job": "job",
        "Machine": "machine",
        "PerDevice": "per_device",
        "Pix2PixSettings": "pix2pix_fit",
        "SceneAndGroupLoss": "objectives",
        "group_membership": "objectives",
        "load": "checkpoints",
        "predict": "job",
        "read_journal": "journal",
        "save": "checkpoints",
        "train": "loop",
    },
)
