"""What is minimised: logits and soft targets -> one loss a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SceneAndGroupLoss(nn.Module):
    """Cross-entropy of the scenes and, where the data set has scene groups, of the groups (report 001, section 3.3).

    The group target is the scene target summed over each group, so mixed clips keep their mass.

    Args:
        membership: (class, group) 0/1 matrix, or None where only scenes are told apart.
        reduction: "sum" over the batch, as the code of report 001 does, or "mean".
    """

    def __init__(self, membership: Tensor | None = None, reduction: str = "sum"):
        super().__init__()
        self.reduction = reduction
        self.register_buffer("membership", membership, persistent=False)
        self.membership: Tensor | None

    def forward(self, logits: Tensor, target: Tensor) -> list[Tensor]:
        n_classes = target.shape[1]
        losses = [F.cross_entropy(logits[:, :n_classes], target, reduction=self.reduction)]
        if self.membership is not None:
            losses.append(F.cross_entropy(logits[:, n_classes:], target @ self.membership, reduction=self.reduction))
        return losses


def group_membership(classes: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Tensor | None:
    """(class, group) 0/1 matrix, or None unless every class belongs to exactly one of two or more groups present."""
    rows = [[float(label in members) for members in groups.values()] for label in classes]
    matrix = torch.tensor(rows) if groups else torch.zeros(len(classes), 0)
    whole = bool((matrix.sum(1) == 1).all()) and int((matrix.sum(0) > 0).sum()) >= 2
    return matrix if groups and whole else None
