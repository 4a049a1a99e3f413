"""Waveform -> features; one front end, one file."""

from .front_end import FrontEnd
from .log_mel import LogMel
from .standardised_deltas import StandardisedDeltas

__all__ = ["FrontEnd", "LogMel", "StandardisedDeltas"]
