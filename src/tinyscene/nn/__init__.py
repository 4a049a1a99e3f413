"""Blocks that two or more models use."""

from .dssc import DSSC, FoldedDSSC
from .eca import ECA
from .mixup_norm import FoldedMixupNorm, MixupNorm

__all__ = ["DSSC", "ECA", "FoldedDSSC", "FoldedMixupNorm", "MixupNorm"]
