"""Spectral step to compare with: a true gammatone filter bank."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..dsp import level
from ..runtime.gammatone_bank import BANDS_AT_ONCE, bandwidths_hz, check_gammatone_bank, transform_length
from ..runtime.gammatone_filters import gammatone_centres_hz


class GammatoneBank(nn.Module):
    """Waveform (batch, time) in -1..1 -> (batch, 1, n_bands, 1 + (time - win_length) // hop_length).

    What Ellis' weighting of a short-time spectrum stands for: each band is the clip through a complex gammatone filter
    of order 4, H(f) = (1 + i (f - centre) / b)^-4 for f >= 0, b = 1.019 ERB(centre), of gain 1 at its centre, in the
    frequency domain. The squared envelope is averaged over each frame, so a full-scale sine on a centre gives 1 before
    the logarithm. No transform length blurs the low bands, and none is there to share: it takes about a hundred times
    as long as GammatoneSpectrogram.

    Args:
        sample_rate_hz: rate of the waveform.
        win_length, hop_length: samples of the averages.
        n_bands: bands, their centres spaced evenly on the ERB scale from f_min up to one step below f_max, in Hz.
        log: "log10" and "ln" take log(x + floor); "db" takes 10 log10(max(x, floor)).
        floor: smallest power told from silence.

    Raises:
        SettingError: naming the field that is out of range.
        AudioError: a waveform too short for one frame.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        win_length: int,
        hop_length: int,
        n_bands: int,
        f_min: float,
        f_max: float,
        log: str = "log10",
        floor: float = 1e-10,
    ):
        super().__init__()
        check_gammatone_bank(sample_rate_hz, win_length, hop_length, n_bands, f_min, f_max, log, floor)
        self.sample_rate_hz, self.win_length, self.hop_length = sample_rate_hz, win_length, hop_length
        self.f_min, self.log, self.floor = f_min, log, floor
        centres = gammatone_centres_hz(n_bands, f_min, f_max)
        self.register_buffer("centres_hz", torch.from_numpy(centres).float()[:, None], persistent=False)
        self.register_buffer(
            "bandwidths_hz", torch.from_numpy(bandwidths_hz(centres)).float()[:, None], persistent=False
        )
        self.centres_hz: Tensor
        self.bandwidths_hz: Tensor

    def forward(self, waveform: Tensor) -> Tensor:
        n_samples = waveform.shape[-1]
        n = transform_length(n_samples, self.sample_rate_hz, self.f_min, self.win_length)
        spectrum = torch.fft.rfft(2.0 * waveform, n)  # twice: one side alone holds half the amplitude
        real, imag = spectrum.real[:, None], spectrum.imag[:, None]
        f_hz = torch.arange(n // 2 + 1, device=waveform.device, dtype=waveform.dtype) * (self.sample_rate_hz / n)
        powers = []
        for centre, bandwidth in zip(
            self.centres_hz.split(BANDS_AT_ONCE), self.bandwidths_hz.split(BANDS_AT_ONCE), strict=True
        ):
            a, b = _response((f_hz - centre) / bandwidth)
            filtered = [F.pad(part, (0, n // 2 - 1)) for part in (real * a - imag * b, real * b + imag * a)]
            envelope = torch.fft.ifft(torch.complex(*filtered))[..., :n_samples]
            squared = envelope.real.square() + envelope.imag.square()
            powers.append(F.avg_pool1d(squared, self.win_length, self.hop_length))
        return level(torch.cat(powers, dim=1)[:, None], self.log, self.floor)


def _response(x: Tensor) -> tuple[Tensor, Tensor]:
    """(1 + ix)^-4 as real and imaginary part: model files have no complex powers."""
    scale = 1.0 / (1.0 + x.square())
    a, b = scale, -x * scale
    a, b = a.square() - b.square(), 2.0 * a * b
    return a.square() - b.square(), 2.0 * a * b
