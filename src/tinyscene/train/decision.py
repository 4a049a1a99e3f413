"""From logits to the probabilities that are reported, exported and shown."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Decision(nn.Module):
    """Logits (batch, class [+ group]) -> probabilities (batch, class), rows summing to 1.

    Without groups a softmax. With groups the two heads are fused (report 001, section 3.1; the formula is ours, the
    report gives none): p[c] = (1 - w) softmax(scenes)[c] + w softmax(groups)[g(c)] / size of g(c), renormalised.

    Args:
        n_classes: scenes.
        membership: (class, group) 0/1 matrix or None.
        group_weight: w, 0 up to below 1.
    """

    def __init__(self, n_classes: int, membership: Tensor | None = None, group_weight: float = 0.0):
        super().__init__()
        self.n_classes, self.group_weight = n_classes, group_weight
        share = None if membership is None else membership / membership.sum(0).clamp(min=1)
        self.register_buffer("share", share, persistent=False)
        self.share: Tensor | None

    def forward(self, logits: Tensor) -> Tensor:
        scenes = torch.softmax(logits[:, : self.n_classes], dim=1)
        if self.share is None or self.group_weight == 0:
            return scenes
        groups = torch.softmax(logits[:, self.n_classes :], dim=1)
        fused = (1 - self.group_weight) * scenes + self.group_weight * (groups @ self.share.T)
        return fused / fused.sum(1, keepdim=True)
