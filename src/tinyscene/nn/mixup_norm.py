"""Mixup normalisation: a feature map shared between itself and its instance norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import instance_norm

from ..errors import SettingError, within

SHARE = 0.5  # of the instance norm in inference: the mean of Beta(alpha, alpha)


class MixupNorm(nn.Module):
    """weight * (share * IN(x) + (1 - share) * x) + bias: (batch, channel, band, frame) -> the same.

    The instance norm IN takes each clip's own level out of each channel, and with it much of the recording device; the
    other share keeps what the level says of the scene. In training one share is drawn for each batch from
    Beta(alpha, alpha), on torch's generator; in inference it is 1/2.

    Report 000 (section 2.2) names the layer and gives no formula. This one is read from the abstract of the same
    authors' "Deep semantic learning for ASC" (2024); a weight and a bias for each channel is what the report's count
    asks for. A map needs two cells or more.

    Args:
        channels: of the map.
        alpha: shape of the share's distribution, above 0; small ones draw near 0 and 1.
    """

    def __init__(self, channels: int, alpha: float = 0.3):
        super().__init__()
        within("MixupNorm.channels", channels, 1)
        if not alpha > 0:
            raise SettingError(f"MixupNorm.alpha takes a number above 0; {alpha} came.")
        self.alpha = float(alpha)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        share = torch.distributions.Beta(self.alpha, self.alpha).sample().to(x) if self.training else SHARE
        mixed = x + share * (instance_norm(x) - x)
        return mixed * self.weight[:, None, None] + self.bias[:, None, None]

    def folded(self) -> FoldedMixupNorm:
        """The same function as in inference, without chance in any mode."""
        return FoldedMixupNorm(self)


class FoldedMixupNorm(nn.Module):
    """MixupNorm for inference: (x + IN(x)) * scale + shift. An int8 network trains on with it, as a traced draw
    could not be switched off."""

    stays_float = True  # in int8 networks

    def __init__(self, norm: MixupNorm):
        super().__init__()
        # Not named weight: the instance norm needs the clip's own statistics and stays float.
        self.scale = nn.Parameter(SHARE * norm.weight.detach())
        self.shift = nn.Parameter(norm.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return (x + instance_norm(x)) * self.scale[:, None, None] + self.shift[:, None, None]
