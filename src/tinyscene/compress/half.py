"""Half: weights of 16 bits, as a stage of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..train import Stage

if TYPE_CHECKING:
    from ..train import Job


class Half(Stage):
    """Stores the weights in half precision (IEEE 754 binary16); nothing is trained.

    Sums are taken in 32 bits, as runtimes do that have no arithmetic of 16. The branch of the scene groups, which only
    training needs, is left out where the network has one that can be dropped (report 002, section 4.1).

    Args:
        after: name of the stage whose weights are taken; None: the last training stage.
        drop_groups: whether the branch of the groups goes.
        name: the stage's name and folder.
    """

    compresses = True
    precision = "float16"

    def __init__(self, after: str | None = None, drop_groups: bool = True, name: str = "fp16"):
        super().__init__(name, after)
        self.drop_groups = drop_groups

    def run(self, network: nn.Module, job: Job, folder: Path) -> nn.Module:
        """The network with its weights rounded; `folder` gets them in 16 bits."""
        from ..train import WEIGHTS, save

        network = self.shaped(network, job.example, folder).half()
        folder.mkdir(parents=True, exist_ok=True)
        save(network.state_dict(), folder / WEIGHTS)
        return network.float()

    def shaped(self, network: nn.Module, example: Tensor, folder: Path) -> nn.Module:
        """Without the branch of the groups, if it goes."""
        without = getattr(network, "without_groups", None)
        return without() if self.drop_groups and without is not None else network
