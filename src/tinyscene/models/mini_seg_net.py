"""Mini-SegNet: the encoder-decoder network of report 000 (Shao 2022), teacher and students."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn.functional import pad

from ..errors import SettingError, unknown, within
from ..nn.mixup_norm import MixupNorm

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "mixup": MixupNorm,
    "instance": partial(nn.InstanceNorm2d, affine=True),
    "batch": nn.BatchNorm2d,
}


class MiniSegNet(nn.Module):
    """Features (batch, in_channels, band, frame) -> logits (batch, n_classes).

    Two encoder blocks, each halving both axes by a max-pool, two decoder blocks, each doubling them by repetition,
    the global mean, two linear layers (report 000, section 2.2). Convolutions are 2 x 3 (band x frame) with bias,
    padded as Keras does: as many outputs as inputs, the odd cell at the end.

    The report prints the kernels and the total of 474 k only; these widths are the one set of powers of two that
    gives it: 474,122 as Keras counts. Its three students print totals only (120.21 k, 127.16 k, 126.07 k, below
    30 MMACs). Stand-ins that give these totals, all with stride (8, 2):

        widths (32, 72, 72, 64, 32), hidden 48      120,210 parameters   20.7 MMACs on 256 bands and 36 frames
        widths (32, 80, 80, 48, 16), hidden 192     127,162              18.4
        widths (56, 64, 64, 64, 56), hidden 100     126,070              24.6

    Args:
        n_classes: outputs. in_channels: channels of the features.
        widths: channels of E1, E2 (both its convolutions), D1a, D1b and D2.
        hidden: width of the layer before the outputs. dropout: before the last layer, training only.
        stride: of the first convolution, (band, frame). From 3 * stride + 1 bands and frames on, any size is taken.
        norm: of the first and the last convolution, "mixup", "instance" or "batch"; the others have batch norm.
    """

    def __init__(
        self,
        n_classes: int = 10,
        in_channels: int = 3,
        widths: tuple[int, ...] = (64, 128, 128, 128, 64),
        hidden: int = 1024,
        stride: tuple[int, int] = (1, 1),
        norm: str = "mixup",
        dropout: float = 0.5,
    ):
        super().__init__()
        if len(widths) != 5 or min(widths) < 1:
            raise SettingError(
                f"MiniSegNet.widths takes five numbers from 1, for E1, E2, D1a, D1b and D2; {tuple(widths)} came."
            )
        if len(stride) != 2 or min(stride) < 1:
            raise SettingError(f"MiniSegNet.stride takes two numbers from 1, band and frame; {tuple(stride)} came.")
        if norm not in NORMS:
            raise unknown("MiniSegNet", "norm", norm, NORMS)
        within("MiniSegNet.n_classes", n_classes, 2)
        within("MiniSegNet.in_channels", in_channels, 1)
        within("MiniSegNet.hidden", hidden, 1)
        within("MiniSegNet.dropout", dropout, 0, 1)
        e1, e2, d1a, d1b, d2 = widths
        outer = NORMS[norm]
        self.stride = tuple(stride)
        self.encoder = nn.Sequential(
            nn.Sequential(*_layer(in_channels, e1, outer, self.stride), nn.MaxPool2d(2)),
            nn.Sequential(*_layer(e1, e2), *_layer(e2, e2), nn.MaxPool2d(2)),
        )
        self.decoder = nn.Sequential(
            nn.Sequential(nn.Upsample(scale_factor=2), *_layer(e2, d1a), *_layer(d1a, d1b)),
            nn.Sequential(nn.Upsample(scale_factor=2), *_layer(d1b, d2, outer)),
        )
        self.head = nn.Sequential(nn.Linear(d2, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, n_classes))
        for module in self.modules():  # He et al. 2015: half of what a mixup norm lets through is not normalised
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, features: Tensor) -> Tensor:
        n_bands, n_frames = features.shape[-2:]
        least = [3 * step + 1 for step in self.stride]
        if n_bands < least[0] or n_frames < least[1]:
            raise SettingError(
                f"MiniSegNet takes {least[0]} or more bands and {least[1]} or more frames, behind its stride of "
                f"{self.stride} it halves both twice; {n_bands} bands and {n_frames} frames came."
            )
        return self.head(self.decoder(self.encoder(features)).mean((2, 3)))


class SameConv2d(nn.Conv2d):
    """A convolution with Keras' padding "same": ceil(size / stride) outputs; where the sides differ, the end has more.

    torch's own padding is the same at both sides: with a stride or an even kernel its cells lie elsewhere.
    """

    def forward(self, input: Tensor) -> Tensor:
        sides = []
        for size, kernel, step in zip(input.shape[:-3:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max(0, (-(-size // step) - 1) * step + kernel - size)
            sides += [total // 2, total - total // 2]
        return super().forward(pad(input, sides) if any(sides) else input)


def _layer(
    in_channels: int,
    out_channels: int,
    norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    stride: tuple[int, ...] = (1, 1),
) -> tuple[nn.Module, ...]:
    return SameConv2d(in_channels, out_channels, (2, 3), stride), norm(out_channels), nn.ReLU()  # type: ignore[arg-type]
