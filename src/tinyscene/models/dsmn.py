"""DSMN: the deep separable multi-scale networks of report 001 (Wang 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import SettingError
from ..nn import DSSC, ECA


class DSMN(nn.Module):
    """Features (batch, 2, band, frame) -> logits (batch, n_classes + n_groups): scenes first, then scene groups.

    A 1x1 stem, five distillation blocks, the global means of blocks 2 to 5 side by side, two linear layers
    (report 001, figure 1; counts in its table 3). Each block halves both axes, so at least 32 bands and frames.

    Args:
        n_classes, n_groups: outputs of the two heads; n_groups 0 leaves the second one out.
        widths: output channels of the five blocks.
        segmented: for each block, True for DSSDB_SEG, False for DSSDB.
        in_channels, stem: channels of the features and of the stem.
        hidden: width of the layer before the outputs. dropout: before the last layer, training only.
    """

    def __init__(
        self,
        n_classes: int = 10,
        n_groups: int = 0,
        widths: tuple[int, ...] = (24, 32, 64, 64, 64),
        segmented: tuple[bool, ...] = (True, True, True, True, True),
        in_channels: int = 2,
        stem: int = 16,
        hidden: int = 100,
        dropout: float = 0.3,
    ):
        super().__init__()
        if len(widths) < 2 or len(widths) != len(segmented):
            raise SettingError(
                f"DSMN.widths and DSMN.segmented take one entry for each of two or more blocks; "
                f"{len(widths)} and {len(segmented)} came."
            )
        if any(width < 2 or width % 2 for width in (stem, *widths)):
            raise SettingError(f"DSMN.stem and DSMN.widths take even numbers from 2; {stem} and {tuple(widths)} came.")
        for name, value, least in (
            ("n_classes", n_classes, 2),
            ("n_groups", n_groups, 0),
            ("in_channels", in_channels, 1),
            ("hidden", hidden, 1),
        ):
            if value < least:
                raise SettingError(f"DSMN.{name} takes {least} or more; {value} came.")
        if not 0 <= dropout <= 1:
            raise SettingError(f"DSMN.dropout takes 0 to 1; {dropout} came.")
        self.stem = nn.Conv2d(in_channels, stem, 1)
        ins = (stem, *widths[:-1])
        kinds = (SegmentedDistillation if seg else Distillation for seg in segmented)
        self.blocks = nn.ModuleList(kind(i, o) for kind, i, o in zip(kinds, ins, widths, strict=True))
        self.head = nn.Sequential(
            nn.Linear(sum(widths[1:]), hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, n_classes + n_groups)
        )

    def forward(self, features: Tensor) -> Tensor:
        least = 2 ** len(self.blocks)
        if min(features.shape[-2:]) < least:
            raise SettingError(
                f"DSMN takes {least} or more bands and frames, each of its {len(self.blocks)} blocks halves both; "
                f"{features.shape[-2]} bands and {features.shape[-1]} frames came."
            )
        x = self.stem(features)
        scales = []
        for block in self.blocks:
            x = block(x)
            scales.append(x.mean((2, 3)))
        return self.head(torch.cat(scales[1:], dim=1))


class SegmentedDistillation(nn.Module):
    """DSSDB_SEG (report 001, figure 2, left): the low half of the bands is refined, the high half is added to it.

    (batch, in, band, frame) -> (batch, out, band // 2, frame // 2).
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        i, h = in_channels, in_channels // 2
        self.refine = nn.Sequential(DSSC(i, i), DSSC(i, i), DSSC(i, h))
        self.low = nn.Conv2d(i, h, 1)
        self.high = nn.Conv2d(i, h, 1)
        self.attention = ECA()
        self.out = nn.Sequential(
            nn.Conv2d(h, out_channels, 1), nn.BatchNorm2d(out_channels), nn.ReLU(), nn.AvgPool2d((1, 2))
        )

    def forward(self, x: Tensor) -> Tensor:
        half = x.shape[2] // 2
        if (
            self.training and not torch.compiler.is_exporting()
        ):  # the gradient is put together once, not each half added to zeros
            low, high, *_ = x.split(half, dim=2)
        else:  # the slices that quantisers and exporters know
            low, high = x[:, :, :half], x[:, :, half : 2 * half]
        return self.out(self.attention(self.low(low) + self.high(high) + self.refine(low)))


class Distillation(nn.Module):
    """DSSDB (report 001, figure 2, right): features distilled after each refinement, side by side.

    (batch, in, band, frame) -> (batch, out, band // 2, frame // 2).
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        i, h = in_channels, in_channels // 2
        self.refine = nn.ModuleList((DSSC(i, i), DSSC(i, i), DSSC(i, h)))
        self.distil = nn.ModuleList((nn.Conv2d(i, h, 1), nn.Conv2d(i, h, 1)))
        self.attention = ECA()
        self.out = nn.Sequential(
            nn.Conv2d(3 * h, out_channels, 1), nn.BatchNorm2d(out_channels), nn.ReLU(), nn.AvgPool2d(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        first = self.refine[0](x)
        second = self.refine[2](self.refine[1](first))
        kept = torch.cat([self.distil[0](x), self.distil[1](first), second], dim=1)
        return self.out(self.attention(kept))
