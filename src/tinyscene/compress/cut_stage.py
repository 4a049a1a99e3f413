"""CutChannels: the weakest channels cut out of the network, which then trains on, as a stage of a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..files import make_folder, write_whole
from ..train import Fit
from .cutting import Cut, told, without
from .prune_channels import checked, prune_channels

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from ..train import Job

CUT = "cut.json"


class CutChannels(Fit):
    """Cuts the network to a number of parameters or MACs, then trains what is left (prune_channels says how).

    The network loses whole channels: it is another, smaller one, and no runtime needs to know. Which channels went
    stands in the stage's folder, in cut.json; `restore_cut` gives a fresh network the same form.

    Args:
        target_parameters, target_macs: at most so many, by count_complexity; one of them or both.
        scope: "layer" cuts the same share of every layer, "global" the weakest channels of all.
        round_to: layers that lose channels keep a multiple of so many.
        others: as of Fit.
    """

    compresses = True

    def __init__(
        self,
        *,
        target_parameters: int | None = None,
        target_macs: int | None = None,
        scope: str = "global",
        round_to: int = 1,
        name: str = "cut",
        **fit: Any,
    ):
        super().__init__(name=name, **fit)
        checked(name, {"parameters": target_parameters, "macs": target_macs}, scope, round_to)
        self.target_parameters, self.target_macs = target_parameters, target_macs
        self.scope, self.round_to = scope, round_to

    def run(self, network: nn.Module, job: Job, folder: Path, callbacks: Sequence[pl.Callback] = ()) -> nn.Module:
        """The cut network, trained; `network` stays as it is. With job.resume a cut that was made is made again."""
        return super().run(self._cut(network, job, folder), job, folder, callbacks)

    def shaped(self, network: nn.Module, example: Tensor, folder: Path) -> nn.Module:
        """`network` without the channels that the stage cut."""
        return restore_cut(network, example, folder)

    def _cut(self, network: nn.Module, job: Job, folder: Path) -> nn.Module:
        from ..train import WEIGHTS

        if job.resume and (folder / CUT).is_file():
            return restore_cut(network, job.example, folder)
        made = prune_channels(network, job.example, self.target_parameters, self.target_macs, self.scope, self.round_to)
        make_folder(folder, "Choose another place for the run.")
        (folder / WEIGHTS).unlink(missing_ok=True)  # those of another cut
        write_whole(folder / CUT, json.dumps({"before": made.before, "after": made.after, "cut": made.cut}) + "\n")
        return made.network


@torch.no_grad()
def restore_cut(network: nn.Module, example: Tensor, folder: Path) -> nn.Module:
    """A copy of `network`, fresh or trained, in the form that a CutChannels in `folder` gave it, in eval.

    Raises:
        ModelError: no cut.json there, one that is broken, or another network's.
    """
    cut = read_cut(folder / CUT)
    smaller = without(network, cut).eval()
    try:
        smaller(example)
    except (RuntimeError, IndexError, ValueError) as error:
        raise ModelError(
            f"{told(network)} does not run with the channels cut that {folder / CUT} names: it is another network's "
            f"({str(error).splitlines()[0]}). Run that stage again."
        ) from None
    return smaller


def read_cut(path: Path) -> Cut:
    """What `path`, a cut.json, says has been cut.

    Raises:
        ModelError: it is missing or broken.
    """
    try:
        cut = json.loads(path.read_text(encoding="utf-8"))["cut"]
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist; run that stage first.") from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{path} cannot be read ({error}). Run that stage again.") from None
    if not _is_cut(cut):
        raise ModelError(f"{path} does not say which channels of which layer were cut. Run that stage again.")
    return cut


def _is_cut(cut: Any) -> bool:
    return isinstance(cut, dict) and all(
        isinstance(gone, dict)
        and set(gone) <= {"outputs", "inputs"}
        and all(isinstance(index, list) and all(type(i) is int for i in index) for index in gone.values())
        for gone in cut.values()
    )
