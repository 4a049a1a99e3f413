"""One augmentation, one file: draw(batch, rng) -> params, apply(batch, params) -> batch.

`draw` takes all chance from the generator it is given; `apply` has none, so a drawn augmentation can be repeated.
An augmentation that learns from the training set has `fit` too.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..batch import Batch
from .mixup import Mixup
from .spec_augment import SpecAugment
from .spectrum_correction import SpectrumCorrection

__all__ = ["Augmentation", "Mixup", "SpecAugment", "SpectrumCorrection", "augmented"]


class Augmentation(Protocol):
    """What every file of this folder offers."""

    def draw(self, batch: Batch, rng: np.random.Generator) -> Any: ...

    def apply(self, batch: Batch, params: Any) -> Batch: ...


def augmented(batch: Batch, augmentations: Sequence[Augmentation], rng: np.random.Generator) -> Batch:
    """The batch after each augmentation in turn."""
    for augmentation in augmentations:
        batch = augmentation.apply(batch, augmentation.draw(batch, rng))
    return batch
