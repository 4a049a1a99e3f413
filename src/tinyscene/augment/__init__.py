"""One augmentation, one file: draw(batch, rng) -> params, apply(batch, params) -> batch.

`draw` takes all chance from the generator it is given; `apply` has none, so a drawn augmentation can be repeated. Each
class names the places it can act at (the fields of `Augment`), first the one it is made for. An augmentation that learns
from the training set has `fit(batches)`, which gives the numbers that complete its Spec.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from ..batch import Batch
from ..lazy import lazy_names

if TYPE_CHECKING:
    from .mixup import Mixup
    from .spec_augment import SpecAugment
    from .spectrum_correction import SpectrumCorrection

__all__ = ["Augmentation", "Mixup", "SpecAugment", "SpectrumCorrection", "augmented"]

__getattr__ = lazy_names(
    __name__,
    {
        "Mixup": "mixup",
        "SpecAugment": "spec_augment",
        "SpectrumCorrection": "spectrum_correction",
    },
)


class Augmentation(Protocol):
    """What every file of this folder offers."""

    places: ClassVar[tuple[str, ...]]

    def draw(self, batch: Batch, rng: np.random.Generator) -> Any: ...

    def apply(self, batch: Batch, params: Any) -> Batch: ...


def augmented(batch: Batch, augmentations: Sequence[Augmentation], rng: np.random.Generator) -> Batch:
    """The batch after each augmentation in turn."""
    for augmentation in augmentations:
        batch = augmentation.apply(batch, augmentation.draw(batch, rng))
    return batch
