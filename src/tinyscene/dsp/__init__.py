"""Pure functions on tensors, (..., time)."""

from .deltas import deltas
from .filter_bank import FilterBank
from .levels import level
from .spectrum import amplitude, mirrored, power_spectrum

__all__ = ["FilterBank", "amplitude", "deltas", "level", "mirrored", "power_spectrum"]
