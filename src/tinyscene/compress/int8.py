"""Int8: quantisation-aware fine-tuning as a stage of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from ..train import Fit

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from ..train import Job


class Int8(Fit):
    """Fine-tunes with int8 weights and activations simulated. Arguments as of Fit.

    In the last fifth of the epochs (one at least, if there are two) the scales stay as they are, so that the
    weights settle on the grid they will be stored on.
    """

    compresses = True

    def run(self, network: nn.Module, job: Job, folder: Path, callbacks: Sequence[pl.Callback] = ()) -> nn.Module:
        """The fake-quantised network, settled; the float `network` stays as it is."""
        from .freeze_scales import FreezeScales
        from .quantized import prepared, settle

        frozen = max(1, self.epochs // 5) if self.epochs > 1 else 0
        freeze = FreezeScales(self.epochs - frozen)
        graph = prepared(network, job.example)
        super().run(graph, job, folder, [*callbacks, freeze])
        settle(graph)
        return graph
