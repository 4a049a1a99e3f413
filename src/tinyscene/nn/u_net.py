"""The U-Net generator of pix2pix (Isola et al. 2017, section 6.1.1): maps in, maps of the same size out."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import SettingError, within

DROPOUT = 0.5  # of the decoder's innermost blocks, as published: the generator's noise


class UNet(nn.Module):
    """(batch, channel, band, frame) -> the same shape, of any size: padded to a multiple of 2**depth by its edges.

    Encoder blocks are 4x4 convolutions of stride 2, decoder blocks transposed ones; each level of the encoder is laid
    beside that of the decoder. Norms are instance norms, which batch norms are at the published batch of 1. The answer
    is a change that is added to the input, for on a log scale a device is something added (ours; published: an image).

    Args:
        channels: of the maps.
        width: filters of the outermost level; doubled inwards up to 8 times.
        depth: levels, each halving both axes.
    """

    def __init__(self, channels: int, width: int = 64, depth: int = 5):
        super().__init__()
        within("UNet.channels", channels, 1)
        within("UNet.width", width, 1)
        if not 2 <= depth <= 8:
            raise SettingError(f"UNet.depth takes 2 to 8 levels; {depth} came.")
        self.depth = depth
        widths = [width * min(8, 2**level) for level in range(depth)]
        self.down = nn.ModuleList(_Down(i, o, norm) for i, o, norm in _steps(channels, widths))
        inward = list(reversed(widths))
        self.up = nn.ModuleList(
            _Up(i if level == 0 else 2 * i, o, dropout=level < 2 and depth > 3)
            for level, (i, o) in enumerate(pairwise(inward))
        )
        self.out = nn.ConvTranspose2d(2 * width, channels, 4, 2, 1)
        nn.init.zeros_(self.out.weight)  # it begins as the identity
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    def forward(self, maps: Tensor) -> Tensor:
        step = 2**self.depth
        bands, frames = maps.shape[-2:]
        # Two levels of at least 2x2 cells: an instance norm of one cell would be 0.
        padded = [max(2 * step, -(-size // step) * step) for size in (bands, frames)]
        x = F.pad(maps, (0, padded[1] - frames, 0, padded[0] - bands), mode="replicate")
        levels = []
        for block in self.down:
            x = block(x)
            levels.append(x)
        for block, level in zip(self.up, reversed(levels[:-1]), strict=True):
            x = torch.cat([block(x), level], dim=1)
        return maps + self.out(F.relu(x))[..., :bands, :frames]


def _steps(channels: int, widths: list[int]) -> list[tuple[int, int, bool]]:
    """(in, out, norm) of each encoder block: neither the first nor the last has a norm."""
    ins = [channels, *widths[:-1]]
    last = len(widths) - 1
    return [(i, o, 0 < level < last) for level, (i, o) in enumerate(zip(ins, widths, strict=True))]


class _Down(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, norm: bool):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 4, 2, 1)
        self.norm = nn.InstanceNorm2d(out_channels, affine=True) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(F.leaky_relu(x, 0.2)))


class _Up(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, dropout: bool):
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1)
        self.norm = nn.InstanceNorm2d(out_channels, affine=True)
        self.dropout = nn.Dropout(DROPOUT if dropout else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.norm(self.conv(F.relu(x))))
