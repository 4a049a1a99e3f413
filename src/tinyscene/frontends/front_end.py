"""FrontEnd: the two halves of a front end, parted where chance may enter."""

from __future__ import annotations

from torch import Tensor, nn


class FrontEnd(nn.Module):
    """Waveform (batch, time) -> finished features (batch, channel, band, frame).

    `spectral` makes un-normalised band features: nothing random lies before it, so its output is what the feature
    cache keeps, and where mixup and spectrum correction act. `finish` normalises and adds deltas.
    """

    def __init__(self, spectral: nn.Module, finish: nn.Module):
        super().__init__()
        self.spectral, self.finish = spectral, finish

    def forward(self, waveform: Tensor) -> Tensor:
        return self.finish(self.spectral(waveform))
