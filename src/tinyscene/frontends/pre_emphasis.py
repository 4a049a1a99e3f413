"""Waveform step of report 002: high frequencies raised."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import within
from ..runtime.frames import check_filled


class PreEmphasis(nn.Module):
    """(batch, time) -> the same shape: y[t] = x[t] - coefficient * x[t - 1].

    Report 002, section 2. The first sample has its right neighbour for its left one, as in the public codes of that
    group, which mirror the start. Coefficient 0..1; 0 changes nothing.

    Raises:
        SettingError: a coefficient out of range.
        AudioError: fewer than 2 samples.
    """

    def __init__(self, coefficient: float = 0.97):
        super().__init__()
        within("PreEmphasis.coefficient", coefficient, 0, 1)
        self.coefficient = coefficient

    def forward(self, waveform: Tensor) -> Tensor:
        check_filled("PreEmphasis", waveform.shape[-1], 2, "a sample and its neighbour")
        before = torch.cat([waveform[..., 1:2], waveform[..., :-1]], dim=-1)
        return waveform - self.coefficient * before
