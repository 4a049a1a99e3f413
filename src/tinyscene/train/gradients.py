"""How the losses of several tasks become one gradient."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torchjd.aggregation import PCGrad
from torchjd.autojac import backward, jac_to_grad


def summed(losses: Sequence[Tensor], parameters: Sequence[nn.Parameter]) -> None:
    """Gradient of the losses' sum."""
    sum(losses[1:], losses[0]).backward()


def project_conflicting(losses: Sequence[Tensor], parameters: Sequence[nn.Parameter]) -> None:
    """PCGrad (Yu et al. 2020; report 001, equation 2): each task's gradient off those that it conflicts with.

    torchjd sums the projected gradients; the report's code takes their mean, and so does this. One task needs no
    projection.
    """
    if len(losses) == 1:
        losses[0].backward()
        return
    backward(list(losses), inputs=parameters, parallel_chunk_size=1)
    jac_to_grad(parameters, PCGrad())
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad /= len(losses)
