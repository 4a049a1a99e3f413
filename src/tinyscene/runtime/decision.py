"""From logits to probabilities with numpy alone: what `train.Decision` does, told as numbers a card can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import ModelError

UNKNOWN = "unknown"  # the label of a decision that is not sure enough
LEAST = 1e-15  # a probability of 0 has no logarithm; the challenges' log loss takes this one


@dataclass(frozen=True)
class Fusion:
    """Logits (window, class [+ group]) -> probabilities (window, class) float32, rows that sum to 1.

    A softmax of the first `n_classes`; with groups, (1 - w) of it and w of the groups' softmax, shared among each
    group's classes: `shares` is (class, group), columns that sum to 1, or empty.
    """

    n_classes: int
    group_weight: float = 0.0
    shares: tuple[tuple[float, ...], ...] = ()

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Raises ModelError when `logits` has another number of columns."""
        n_groups = len(self.shares[0]) if self.shares else 0
        if logits.ndim != 2 or logits.shape[1] < self.n_classes + n_groups:
            raise ModelError(
                f"the network gives {logits.shape[-1]} logits; its card decides from {self.n_classes} classes and "
                f"{n_groups} groups. Export the model again."
            )
        logits = logits.astype(np.float64)
        fused = _softmax(logits[:, : self.n_classes])
        if self.shares and self.group_weight:
            groups = _softmax(logits[:, self.n_classes : self.n_classes + n_groups])
            fused = (1 - self.group_weight) * fused + self.group_weight * groups @ np.array(self.shares).T
            fused /= fused.sum(1, keepdims=True)
        return fused.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """As a card's JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], name: str) -> Fusion:
        """Raises ModelError, naming the file, when the numbers are none or do not fit each other."""
        try:
            n_classes, weight = int(content["n_classes"]), float(content["group_weight"])
            shares = tuple(tuple(float(share) for share in row) for row in content["shares"])
            fits = not shares or (len(shares) == n_classes and len({len(row) for row in shares}) == 1)
            if not fits or not 0 <= weight < 1 or not np.isfinite(np.array(shares)).all():
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ModelError(
                f"{name}: decision takes n_classes, a group_weight of 0 up to below 1 and shares, (class, group). "
                "Export the model again."
            ) from None
        return cls(n_classes, weight, shares)


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(ln p / temperature), (..., class), that sum to 1; at temperature 1 as they came."""
    if temperature == 1:
        return probabilities
    rows = probabilities.astype(np.float64)
    rows = np.maximum(rows / rows.sum(axis=-1, keepdims=True), LEAST) ** (1 / temperature)
    return rows / rows.sum(axis=-1, keepdims=True)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)
