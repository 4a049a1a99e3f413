"""One augmentation, one file: draw(batch, rng) -> params, apply(batch, params) -> batch.

`draw` takes all chance from the generator it is given; `apply` has none, so a drawn augmentation can be repeated. Each
class names the places it can act at (the fields of `Augment`), first the one it is made for. An augmentation that
learns from the training set has `fit(batches)`, which gives the numbers that complete its Spec.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from ..batch import Batch
from ..lazy import lazy_names

if TYPE_CHECKING:
    from .add_noise import AddNoise
    from .aligned_correction import AlignedCorrection
    from .auto_level import AutoLevel
    from .band_gains import BandGains
    from .bin_gains import BinGains
    from .codec import Codec
    from .device_difference import DeviceDifference
    from .device_response import DeviceResponse
    from .doubled_time_crop import DoubledTimeCrop
    from .freq_mix_style import FreqMixStyle
    from .gain import Gain
    from .hidden import hidden_augmentation
    from .image_shift import ImageShift
    from .mixup import Mixup
    from .noise_mask import NoiseMask
    from .pix2pix import Pix2pix
    from .random_crop import RandomCrop
    from .random_response import RandomResponse
    from .spec_augment import SpecAugment
    from .spec_augment_plus_plus import SpecAugmentPlusPlus
    from .spectrum_correction import SpectrumCorrection
    from .speed import Speed
    from .tempo import Tempo
    from .time_roll import TimeRoll
    from .time_shift import TimeShift

__all__ = [
    "AddNoise",
    "AlignedCorrection",
    "Augmentation",
    "AutoLevel",
    "BandGains",
    "BinGains",
    "Codec",
    "DeviceDifference",
    "DeviceResponse",
    "DoubledTimeCrop",
    "FreqMixStyle",
    "Gain",
    "ImageShift",
    "Mixup",
    "NoiseMask",
    "Pix2pix",
    "RandomCrop",
    "RandomResponse",
    "SpecAugment",
    "SpecAugmentPlusPlus",
    "SpectrumCorrection",
    "Speed",
    "Tempo",
    "TimeRoll",
    "TimeShift",
    "augmented",
    "hidden_augmentation",
]

__getattr__ = lazy_names(
    __name__,
    {
        "AddNoise": "add_noise",
        "AlignedCorrection": "aligned_correction",
        "AutoLevel": "auto_level",
        "BandGains": "band_gains",
        "BinGains": "bin_gains",
        "Codec": "codec",
        "DeviceDifference": "device_difference",
        "DeviceResponse": "device_response",
        "DoubledTimeCrop": "doubled_time_crop",
        "FreqMixStyle": "freq_mix_style",
        "Gain": "gain",
        "ImageShift": "image_shift",
        "Mixup": "mixup",
        "NoiseMask": "noise_mask",
        "Pix2pix": "pix2pix",
        "RandomCrop": "random_crop",
        "RandomResponse": "random_response",
        "SpecAugment": "spec_augment",
        "SpecAugmentPlusPlus": "spec_augment_plus_plus",
        "SpectrumCorrection": "spectrum_correction",
        "Speed": "speed",
        "Tempo": "tempo",
        "TimeRoll": "time_roll",
        "TimeShift": "time_shift",
        "hidden_augmentation": "hidden",
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
