"""PhamCNN: the convolutional network of report 003 (Pham 2020)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from ..errors import SettingError, within


class PhamCNN(nn.Module):
    """Features (batch, in_channels, band, frame) -> logits (batch, n_classes).

    Four blocks of convolution, ReLU, batch norm, max-pool, dropout; the last pool is global; one linear layer (report
    003, table 2). Convolutions have a bias and keep the size. The table's sizes ask for a second pool that rounds up
    (107 frames -> 54) and a third that rounds down (54 -> 13).

    Its table 2 prints a batch norm before every convolution too, which makes 63,751 parameters as Keras counts; the
    245.5 KB of its table 3 are 62,855, which the first of them alone gives (so does the same authors' next paper).

    Args:
        n_classes: outputs. in_channels: channels of the features.
        widths: channels of the four blocks. dropouts: of the four blocks, training only.
        literal: a batch norm before every convolution, as printed, not before the first alone.
    """

    def __init__(
        self,
        n_classes: int = 3,
        in_channels: int = 1,
        widths: tuple[int, ...] = (32, 64, 128, 256),
        literal: bool = False,
        dropouts: tuple[float, ...] = (0.2, 0.25, 0.3, 0.35),
    ):
        super().__init__()
        if len(widths) != 4 or min(widths) < 1:
            raise SettingError(f"PhamCNN.widths takes four numbers from 1; {tuple(widths)} came.")
        if len(dropouts) != 4 or not all(0 <= dropout <= 1 for dropout in dropouts):
            raise SettingError(f"PhamCNN.dropouts takes four numbers from 0 to 1; {tuple(dropouts)} came.")
        within("PhamCNN.n_classes", n_classes, 2)
        within("PhamCNN.in_channels", in_channels, 1)
        a, b, c, d = widths
        first, second, third, last = dropouts
        self.blocks = nn.Sequential(
            nn.Sequential(
                nn.BatchNorm2d(in_channels), *_layer(in_channels, a, 3), nn.MaxPool2d((2, 4)), nn.Dropout(first)
            ),
            nn.Sequential(*_layer(a, b, 3, literal), nn.MaxPool2d(2, ceil_mode=True), nn.Dropout(second)),
            nn.Sequential(*_layer(b, c, 1, literal), nn.MaxPool2d((2, 4)), nn.Dropout(third)),
            nn.Sequential(*_layer(c, d, 1, literal)),
        )
        self.head = nn.Sequential(nn.Dropout(last), nn.Linear(d, n_classes))

    def forward(self, features: Tensor) -> Tensor:
        n_bands, n_frames = features.shape[-2:]
        if n_bands < 6 or n_frames < 28:
            raise SettingError(
                f"PhamCNN takes 6 or more bands and 28 or more frames, its pools leave nothing of fewer; {n_bands} "
                f"bands and {n_frames} frames came."
            )
        x = self.blocks(features)
        # A pool, not a maximum over axes: int8 runtimes have it, and output and input share one scale.
        return self.head(max_pool2d(x, x.shape[2:]).flatten(1))  # type: ignore[arg-type]


def _layer(in_channels: int, out_channels: int, kernel_size: int, norm_before: bool = False) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
    before = [nn.BatchNorm2d(in_channels)] if norm_before else []
    return [*before, conv, nn.ReLU(), nn.BatchNorm2d(out_channels)]
