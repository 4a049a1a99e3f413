"""Dcase2022Baseline: the challenge organisers' network of 2022 and 2023, task 1."""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import SettingError, within

POOLS = ((5, 5), (4, 10))  # band and frame, behind the second and the third convolution


class Dcase2022Baseline(nn.Module):
    """Features (batch, in_channels, band, frame) -> logits (batch, n_classes).

    Three 7x7 convolutions that keep the size, each with batch norm and ReLU; max-pools of 5x5 and 4x10; two linear
    layers. The organisers' front end makes 40 bands and 51 frames of one second.

    Counts that go by the same name:

        46,118       parameters here; 46,246 as Keras counts; 45,990 once batch norm is folded
        46,512       the published "parameters": bytes of the int8 file, 45,816 weights and 174 biases of 4 bytes
        29,271,638   macs by torchinfo's rule (biases at every position, batch norm once a channel)
        29,203,560   products of the convolutions and linear layers alone
        29,234,920   the published macs, the official counter's on the int8 file: those products, 34,560 comparisons of
                     the pools, less 3,200, as it charges the layer behind the (2, 1, 32) map for 32 inputs, not 64

    Args:
        n_classes: outputs. in_channels: channels of the features.
        widths: channels of the three convolutions. hidden: width of the layer before the outputs.
        dropout: behind each pool and before the last layer, training only.
        n_bands, n_frames: size of the features; the first linear layer is as wide as their pooled map.
    """

    def __init__(
        self,
        n_classes: int = 10,
        in_channels: int = 1,
        widths: tuple[int, ...] = (16, 16, 32),
        hidden: int = 100,
        dropout: float = 0.3,
        n_bands: int = 40,
        n_frames: int = 51,
    ):
        super().__init__()
        if len(widths) != 3 or min(widths) < 1:
            raise SettingError(f"Dcase2022Baseline.widths takes three numbers from 1; {tuple(widths)} came.")
        for name, value, low in (
            ("n_classes", n_classes, 2),
            ("in_channels", in_channels, 1),
            ("hidden", hidden, 1),
            ("n_bands", n_bands, 20),
            ("n_frames", n_frames, 50),
        ):
            within(f"Dcase2022Baseline.{name}", value, low)
        within("Dcase2022Baseline.dropout", dropout, 0, 1)
        a, b, c = widths
        self.map = _pooled(n_bands, n_frames)
        self.layers = nn.Sequential(
            *_layer(in_channels, a),
            *_layer(a, b),
            nn.MaxPool2d(POOLS[0]),
            nn.Dropout(dropout),
            *_layer(b, c),
            nn.MaxPool2d(POOLS[1]),
            nn.Dropout(dropout),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(c * self.map[0] * self.map[1], hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_classes),
        )
        for module in self.modules():  # as the organisers' settings
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
            elif isinstance(module, nn.Linear):
                nn.init.uniform_(module.weight, -0.05, 0.05)
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, features: Tensor) -> Tensor:
        n_bands, n_frames = features.shape[-2:]
        if _pooled(n_bands, n_frames) != self.map:
            (low_band, high_band), (low_frame, high_frame) = (
                (cells * step, (cells + 1) * step - 1) for cells, step in zip(self.map, (20, 50), strict=True)
            )
            raise SettingError(
                f"Dcase2022Baseline takes {low_band} to {high_band} bands and {low_frame} to {high_frame} frames with "
                f"these n_bands and n_frames; {n_bands} bands and {n_frames} frames came. Make it with their numbers."
            )
        return self.head(self.layers(features))


def _pooled(n_bands: int, n_frames: int) -> tuple[int, int]:
    (band, frame), (band_2, frame_2) = POOLS
    return n_bands // band // band_2, n_frames // frame // frame_2


def _layer(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(in_channels, out_channels, 7, padding=3), nn.BatchNorm2d(out_channels), nn.ReLU()
