"""Blocks that networks are made of."""

from .cbam import CBAM
from .coordinate_attention import CoordinateAttention
from .dilated_depthwise_conv import DilatedDepthwiseConv
from .dssc import DSSC, FoldedDSSC
from .eca import ECA
from .mfm import MFMConv, MFMLinear, max_feature_map
from .mixup_norm import FoldedMixupNorm, MixupNorm
from .squeeze_excitation import SqueezeExcitation

__all__ = [
    "CBAM",
    "DSSC",
    "ECA",
    "CoordinateAttention",
    "DilatedDepthwiseConv",
    "FoldedDSSC",
    "FoldedMixupNorm",
    "MFMConv",
    "MFMLinear",
    "MixupNorm",
    "SqueezeExcitation",
    "max_feature_map",
]
