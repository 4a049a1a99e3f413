"""What is minimised: logits and the batch with its soft targets -> one loss a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..batch import Batch
from ..errors import SettingError


class SceneAndGroupLoss(nn.Module):
    """Cross-entropy of the scenes and, where the data set has scene groups, of the groups (report 001, section 3.3).

    The group target is the scene target summed over each group, so mixed clips keep their mass.

    Args:
        membership: (class, group) 0/1 matrix, or None where only scenes are told apart; the data set gives it.
        reduction: "sum" over the batch, as the code of report 001 does, or "mean": a rate belongs to one of them.
        scene_weight: of the scenes' loss; that of the groups weighs 1.
        divergence: Kullback-Leibler divergence to the target (report 003, equation 3) in place of cross-entropy: less
            by the target's own entropy, with the same gradients.
    """

    def __init__(
        self,
        membership: Tensor | None = None,
        reduction: str = "sum",
        scene_weight: float = 1.0,
        divergence: bool = False,
    ):
        super().__init__()
        if reduction not in ("sum", "mean"):
            raise SettingError(f"SceneAndGroupLoss.reduction takes 'sum' or 'mean'; '{reduction}' came.")
        if not scene_weight > 0:
            raise SettingError(f"SceneAndGroupLoss.scene_weight takes a number above 0; {scene_weight} came.")
        self.reduction, self.scene_weight, self.divergence = reduction, scene_weight, divergence
        self.register_buffer("membership", membership, persistent=False)
        self.membership: Tensor | None

    def forward(self, logits: Tensor, batch: Batch) -> list[Tensor]:
        n_classes = batch.target.shape[1]
        losses = [self.scene_weight * self._loss(logits[:, :n_classes], batch.target)]
        if self.membership is not None:
            losses.append(self._loss(logits[:, n_classes:], batch.target @ self.membership))
        return losses

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        if not self.divergence:
            return F.cross_entropy(logits, target, reduction=self.reduction)
        reduction = "batchmean" if self.reduction == "mean" else "sum"
        return F.kl_div(F.log_softmax(logits, dim=1), target, reduction=reduction)


def group_membership(classes: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Tensor | None:
    """(class, group) 0/1 matrix, or None unless every class belongs to exactly one of two or more groups present."""
    rows = [[float(label in members) for members in groups.values()] for label in classes]
    matrix = torch.tensor(rows) if groups else torch.zeros(len(classes), 0)
    whole = bool((matrix.sum(1) == 1).all()) and int((matrix.sum(0) > 0).sum()) >= 2
    return matrix if groups and whole else None
