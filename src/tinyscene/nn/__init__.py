"""Blocks that two or more models use."""

from .dssc import DSSC, FoldedDSSC
from .eca import ECA

__all__ = ["DSSC", "ECA", "FoldedDSSC"]
