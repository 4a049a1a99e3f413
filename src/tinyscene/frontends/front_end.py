"""FrontEnd: the steps of a front end, parted where chance may enter."""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import SettingError


class FrontEnd(nn.Module):
    """Waveform (batch, time) -> finished features (batch, channel, band, frame).

    Args:
        spectral: the step that makes un-normalised band features. Its output is what the feature cache keeps, and where
            mixup and spectrum correction act. One with the halves `spectrum` (waveform -> power spectrum) and `bands`
            (power spectrum -> band features) lets augmentations act between them.
        finish: what follows, in order: deltas, normalisation, crops.
        waveform: what comes before, in order: (batch, time) -> (batch, time).
    """

    def __init__(self, spectral: nn.Module, finish: tuple[nn.Module, ...] = (), waveform: tuple[nn.Module, ...] = ()):
        super().__init__()
        self.waveform, self.spectral, self.finish = nn.Sequential(*waveform), spectral, nn.Sequential(*finish)

    def forward(self, waveform: Tensor) -> Tensor:
        return self.finish(self.bands(waveform))

    def bands(self, waveform: Tensor) -> Tensor:
        """(batch, time) -> un-normalised band features (batch, channel, band, frame)."""
        return self.spectral(self.waveform(waveform))

    def spectrum(self, waveform: Tensor) -> Tensor:
        """(batch, time) -> power spectrum (batch, frequency, frame), from which `spectral.bands` goes on.

        Raises:
            SettingError: a spectral step that has no power spectrum.
        """
        half = getattr(self.spectral, "spectrum", None)
        if half is None:
            raise SettingError(
                f"FrontEnd.spectral is {type(self.spectral).__name__}, which has no power spectrum: "
                "augment.spectrum takes LogMel or GammatoneSpectrogram before it. Move its augmentations elsewhere."
            )
        return half(self.waveform(waveform))
