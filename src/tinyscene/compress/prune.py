"""Prune: magnitude pruning while the network trains on, as a stage of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from ..errors import SettingError, within
from ..train import Fit

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from ..train import Job


class Prune(Fit):
    """Trains on while ever more of the smallest weights become 0 and stay it (Zhu and Gupta 2017, as TF-MOT does).

    Pruned are the weights of convolutions and linear layers, never biases and norms. The network keeps its form: its
    state dict has the same keys, with zeros in the weights. The first epochs, up to the one in which `sparsity` is
    reached, are never chosen as the best.

    Args:
        sparsity: share of the weights that are 0 in the end, 0 up to below 1; rounded to whole weights, half up, and
            every layer keeps its largest.
        initial_sparsity: share at `begin`, up to `sparsity`.
        begin, end: where the share begins to grow and where it is reached, as shares of the stage's steps, 0..1.
        power: of the schedule, above 0; 1 grows evenly, more grows early.
        every: steps between two choices of weights; the last choice is at `end`.
        scope: "layer" takes the share of every layer, "global" the smallest of all layers together.
        others: as of Fit.
    """

    compresses = True

    def __init__(
        self,
        *,
        sparsity: float,
        initial_sparsity: float = 0.0,
        begin: float = 0.0,
        end: float = 0.5,
        power: float = 3.0,
        every: int = 100,
        scope: str = "layer",
        name: str = "prune",
        **fit: Any,
    ):
        super().__init__(name=name, **fit)
        if not 0 <= sparsity < 1:
            raise SettingError(f"{name}.sparsity takes 0 up to below 1; {sparsity} came.")
        within(f"{name}.initial_sparsity", initial_sparsity, 0, sparsity)
        within(f"{name}.begin", begin, 0, 1)
        within(f"{name}.end", end, begin, 1)
        within(f"{name}.every", every, 1)
        if not power > 0:
            raise SettingError(f"{name}.power takes a number above 0; {power} came.")
        if scope not in ("layer", "global"):
            raise SettingError(f"{name}.scope takes 'layer' or 'global'; '{scope}' came.")
        self.sparsity, self.initial_sparsity, self.power = sparsity, initial_sparsity, power
        self.begin, self.end, self.every, self.scope = begin, end, every, scope

    def sparsity_at(self, step: int, steps: int) -> float:
        """Share of the weights that are 0 after `step` of the stage's `steps`: that of the last choice."""
        begin, end = round(self.begin * steps), round(self.end * steps)
        if step < begin:
            return 0.0
        chosen = end if step >= end else step - (step - begin) % self.every
        return polynomial_sparsity(chosen, begin, end, self.initial_sparsity, self.sparsity, self.power)

    def run(self, network: nn.Module, job: Job, folder: Path, callbacks: Sequence[pl.Callback] = ()) -> nn.Module:
        """Train `network` in `folder`, or continue; the chosen weights, with their zeros, are in it after."""
        from .masking import Masking

        return super().run(network, job, folder, [*callbacks, Masking(self)])


def polynomial_sparsity(step: int, begin: int, end: int, initial: float, final: float, power: float) -> float:
    """`initial` up to step `begin`, `final` from step `end`; between them a polynomial that is flat at `end`."""
    if step >= end:
        return final
    left = 1 - max(0, step - begin) / (end - begin)
    return final + (initial - final) * left**power
