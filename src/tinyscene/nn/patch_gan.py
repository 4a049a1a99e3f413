"""The PatchGAN discriminator of pix2pix (Isola et al. 2017, section 6.1.2): real or made, patch by patch."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..errors import within


class PatchGAN(nn.Module):
    """Source and target, (batch, channel, band, frame) each -> logits (batch, 1, patch, patch): is the target real?

    4x4 convolutions, `layers` of stride 2 and two of stride 1; with 3, a patch is 70x70 cells, as published.

    Args:
        channels: of each map. width: filters of the first layer, doubled up to 8 times. layers: of stride 2.
    """

    def __init__(self, channels: int, width: int = 64, layers: int = 3):
        super().__init__()
        within("PatchGAN.channels", channels, 1)
        within("PatchGAN.width", width, 1)
        within("PatchGAN.layers", layers, 1)
        widths = [width * min(8, 2**level) for level in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(2 * channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for level, (i, o) in enumerate(pairwise(widths), start=1):
            stride = 2 if level < layers else 1
            parts += [nn.Conv2d(i, o, 4, stride, 1), nn.InstanceNorm2d(o, affine=True), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.layers(torch.cat([source, target], dim=1))
