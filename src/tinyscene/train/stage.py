"""Stage: what the walker of a recipe asks of every stage. Light to import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from .job import Job


class Stage:
    """Takes the network of an earlier stage and leaves its own as `weights.pt` in a folder of the run.

    Args:
        name: the stage's name and folder.
        after: name of the stage whose weights this one starts from; None: the last training stage before it.
    """

    compresses = False  # run by `tinyscene compress`, not by `tinyscene train`
    precision = "float32"  # what its weights are stored and exported as: "float32", "float16" or "int8"
    per_device = False  # its weights are those of several networks (train/per_device.py)
    taught = False  # needs a teacher's logits for every training clip
    validation_share = 0.0  # part of the training clips, by recording, that it wants held out
    views = 0  # crops of each clip that a teacher looks at, of the "clip" or of others of its "class"
    views_of = "clip"

    def __init__(self, name: str, after: str | None = None):
        self.name, self.after = name, after

    def run(self, network: nn.Module, job: Job, folder: Path) -> nn.Module:
        """Do the work, write `folder`/weights.pt as the last thing, return the network; resume where `job` says so."""
        raise NotImplementedError

    def shaped(self, network: nn.Module, example: Tensor, folder: Path) -> nn.Module:
        """`network`, which holds the weights that this stage began with, in the form whose weights lie in `folder`."""
        return network
