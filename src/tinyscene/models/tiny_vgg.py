"""TinyVGG: our own network, plain dense convolutions that know the height of a band."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from ..errors import SettingError, within

SHRINKS = 16  # bands, by a stride and three pools


class TinyVGG(nn.Module):
    """Features (batch, in_channels, n_bands, frame) -> logits (batch, n_classes).

    Five 3x3 convolutions with batch norm and ReLU; the first has stride 2, a pool of 2 follows the second to fourth.
    Each channel then weighs its rows with weights of its own, so that a pattern counts where in the spectrum it stands,
    and the mean and the maximum over time go to one linear layer. Dense convolutions are what CPUs, GPUs and
    microcontrollers do fastest; a depthwise network of the same MACs trains 10 to 60 times slower on a CPU.

    Args:
        n_classes: outputs. in_channels: channels of the features. n_bands: bands of the features, a multiple of 16.
        widths: channels of the five convolutions.
        dropout: before the linear layer, training only.
    """

    def __init__(
        self,
        n_classes: int = 10,
        in_channels: int = 1,
        n_bands: int = 128,
        widths: tuple[int, ...] = (16, 32, 48, 64, 64),
        dropout: float = 0.2,
    ):
        super().__init__()
        if len(widths) != 5 or min(widths) < 1:
            raise SettingError(f"TinyVGG.widths takes five numbers from 1; {tuple(widths)} came.")
        if n_bands < SHRINKS or n_bands % SHRINKS:
            raise SettingError(f"TinyVGG.n_bands takes a multiple of {SHRINKS}; {n_bands} came.")
        within("TinyVGG.n_classes", n_classes, 2)
        within("TinyVGG.in_channels", in_channels, 1)
        within("TinyVGG.dropout", dropout, 0, 1)
        self.n_bands = n_bands
        a, b, c, d, e = widths
        self.layers = nn.Sequential(
            *_layer(in_channels, a, stride=2),
            *_layer(a, b),
            nn.MaxPool2d(2),
            *_layer(b, c),
            nn.MaxPool2d(2),
            *_layer(c, d),
            nn.MaxPool2d(2),
            *_layer(d, e),
        )
        rows = n_bands // SHRINKS
        self.rows = nn.Conv2d(e, e, (rows, 1), groups=e)
        nn.init.constant_(self.rows.weight, 1 / rows)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * e, n_classes))

    def forward(self, features: Tensor) -> Tensor:
        n_bands, n_frames = features.shape[-2:]
        if n_bands != self.n_bands or n_frames < SHRINKS:
            raise SettingError(
                f"TinyVGG takes {self.n_bands} bands and {SHRINKS} frames or more; {n_bands} and {n_frames} came."
            )
        x = self.rows(self.layers(features))
        # Pools, not means over axes: int8 runtimes have them.
        pooled = [avg_pool2d(x, x.shape[2:]), max_pool2d(x, x.shape[2:])]  # type: ignore[arg-type]
        return self.head(torch.cat(pooled, 1).flatten(1))


def _layer(in_channels: int, out_channels: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]
