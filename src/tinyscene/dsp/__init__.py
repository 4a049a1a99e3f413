"""Pure functions on tensors, (..., time)."""

from .deltas import deltas
from .spectrum import power_spectrum

__all__ = ["deltas", "power_spectrum"]
