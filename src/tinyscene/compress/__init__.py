"""Stages that make a trained network smaller."""

import logging
from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .calibrate import Calibrate
    from .cut_stage import CutChannels
    from .folding import ChannelAffine, fold
    from .half import Half
    from .int8 import Int8
    from .prune import Prune
    from .quantized import converted, float_operations, freeze_observers, prepared, settle

# torchao tells of GPU kernels it did not find and of torch internals; neither concerns int8 on a CPU.
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)

__all__ = [
    "Calibrate",
    "ChannelAffine",
    "CutChannels",
    "Half",
    "Int8",
    "Prune",
    "converted",
    "float_operations",
    "fold",
    "freeze_observers",
    "prepared",
    "settle",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Calibrate": "calibrate",
        "ChannelAffine": "folding",
        "CutChannels": "cut_stage",
        "Half": "half",
        "Int8": "int8",
        "Prune": "prune",
        "converted": "quantized",
        "float_operations": "quantized",
        "fold": "folding",
        "freeze_observers": "quantized",
        "prepared": "quantized",
        "settle": "quantized",
    },
)
