"""Int8: quantisation-aware fine-tuning as a stage of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..train import Fit

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from ..train import Job


class Int8(Fit):
    """Fine-tunes with int8 weights and activations simulated. Arguments as of Fit.

    Weights that a stage before pruned stay 0. In the last fifth of the epochs (one at least, if there are two) the
    scales stay as they are, so that the weights settle on the grid they will be stored on.
    """

    compresses = True
    precision = "int8"

    def run(self, network: nn.Module, job: Job, folder: Path, callbacks: Sequence[pl.Callback] = ()) -> nn.Module:
        """The fake-quantised network, settled; the float `network` stays as it is."""
        from .freeze_scales import FreezeScales
        from .masking import KeepZeros
        from .quantized import prepared, settle

        frozen = max(1, self.epochs // 5) if self.epochs > 1 else 0
        graph = prepared(network, job.example)
        super().run(graph, job, folder, [*callbacks, FreezeScales(self.epochs - frozen), KeepZeros(graph)])
        settle(graph)
        return graph

    def shaped(self, network: nn.Module, example: Tensor, folder: Path) -> nn.Module:
        """The fake-quantised network, its scales not known yet."""
        from .quantized import prepared

        return prepared(network, example)
