"""Waveform -> features; one front end, one file."""

from .crop import Crop
from .doubled import Doubled
from .fitted_standardisation import FittedStandardisation
from .front_end import FrontEnd
from .gammatone_bank import GammatoneBank
from .gammatone_spectrogram import GammatoneSpectrogram
from .log_mel import LogMel
from .pre_emphasis import PreEmphasis
from .stacked_deltas import Deltas
from .standardised_bands import StandardisedBands
from .standardised_clip import StandardisedClip
from .standardised_deltas import StandardisedDeltas

__all__ = [
    "Crop",
    "Deltas",
    "Doubled",
    "FittedStandardisation",
    "FrontEnd",
    "GammatoneBank",
    "GammatoneSpectrogram",
    "LogMel",
    "PreEmphasis",
    "StandardisedBands",
    "StandardisedClip",
    "StandardisedDeltas",
]
