"""CPMobile: the challenge organisers' network of 2024 and 2025, task 1, a CP-Mobile without its response norm."""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import SettingError, within


class CPMobile(nn.Module):
    """Features (batch, in_channels, band, frame) -> logits (batch, n_classes).

    Two strided convolutions; stages of inverted bottlenecks; a 1x1 convolution to the classes, whose global mean are
    the logits. No convolution has a bias, batch norm follows each. Any size is taken: strides round up.

    The organisers' numbers are the defaults: 61,148 parameters and 29,419,156 macs on 256 bands and 65 frames. Names
    of arguments are theirs.

    Args:
        n_classes: outputs. in_channels: channels of the features.
        base_channels: channels of the stem (a quarter of it in its first half) and of the first stage, from 8.
        channels_multiplier: growth of the channels from stage to stage, from 1.
        expansion_rate: channels inside a block for each channel it is given, from 1. All three give multiples of 8.
        n_blocks: blocks of each stage.
        strides: (band, frame) of each block, in order.
    """

    def __init__(
        self,
        n_classes: int = 10,
        in_channels: int = 1,
        base_channels: int = 32,
        channels_multiplier: float = 1.8,
        expansion_rate: float = 2.1,
        n_blocks: tuple[int, ...] = (3, 2, 1),
        strides: tuple[tuple[int, int], ...] = ((1, 1), (1, 1), (1, 2), (2, 1), (1, 1), (1, 1)),
    ):
        super().__init__()
        within("CPMobile.n_classes", n_classes, 2)
        within("CPMobile.in_channels", in_channels, 1)
        within("CPMobile.base_channels", base_channels, 8)
        within("CPMobile.channels_multiplier", channels_multiplier, 1)
        within("CPMobile.expansion_rate", expansion_rate, 1)
        if not n_blocks or min(n_blocks) < 1:
            raise SettingError(f"CPMobile.n_blocks takes one or more numbers from 1; {tuple(n_blocks)} came.")
        if len(strides) != sum(n_blocks):
            raise SettingError(
                f"CPMobile.strides takes one pair (band, frame) for each of the {sum(n_blocks)} blocks; "
                f"{len(strides)} came."
            )
        if any(len(stride) != 2 or min(stride) < 1 for stride in strides):
            raise SettingError(f"CPMobile.strides takes pairs of numbers from 1; {tuple(strides)} came.")
        base = _in_eights(base_channels)
        stages = (_in_eights(base * channels_multiplier**stage) for stage in range(len(n_blocks)))
        widths = [base, *(width for width, n in zip(stages, n_blocks, strict=True) for _ in range(n))]
        self.stem = nn.Sequential(
            *_layer(in_channels, base // 4, 3, stride=(2, 2)), *_layer(base // 4, base, 3, stride=(2, 2))
        )
        self.blocks = nn.Sequential(
            *(
                InvertedBottleneck(i, o, expansion_rate, stride)
                for i, o, stride in zip(widths, widths[1:], strides, strict=False)
            )
        )
        self.head = nn.Sequential(*_layer(widths[-1], n_classes, 1)[:-1])
        for module in self.modules():  # as in the organisers' code
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, features: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(features))).mean((2, 3))


class InvertedBottleneck(nn.Module):
    """(batch, in, band, frame) -> (batch, out, band / stride, frame / stride), rounded up.

    1x1 to more channels, depthwise 3x3 with the stride, 1x1 to `out_channels`. Where it keeps the channels, its input
    is added, averaged over 3x3 cells if there is a stride. A ReLU comes last.
    """

    def __init__(self, in_channels: int, out_channels: int, expansion_rate: float, stride: tuple[int, int]):
        super().__init__()
        inner = _in_eights(in_channels * expansion_rate)
        self.layers = nn.Sequential(
            *_layer(in_channels, inner, 1),
            *_layer(inner, inner, 3, stride, groups=inner),
            *_layer(inner, out_channels, 1)[:-1],
        )
        self.shortcut: nn.Module | None = None
        if in_channels == out_channels:
            strided = tuple(stride) != (1, 1)
            self.shortcut = nn.AvgPool2d(3, stride, padding=1) if strided else nn.Identity()
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        made = self.layers(x)
        return self.activation(made if self.shortcut is None else made + self.shortcut(x))


def _layer(
    in_channels: int, out_channels: int, kernel_size: int, stride: tuple[int, int] = (1, 1), groups: int = 1
) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, groups=groups, bias=False
    )
    return conv, nn.BatchNorm2d(out_channels), nn.ReLU()


def _in_eights(channels: float) -> int:
    """The nearest multiple of 8, or the next one where that would take away more than a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8
