"""Short-time spectra of (batch, time) tensors."""

from __future__ import annotations

import torch
from torch import Tensor

# Below the square of anything a float32 transform of audio can mean; the root of 0 has no gradient.
_SILENT_POWER = 1e-30


def power_spectrum(waveform: Tensor, window: Tensor, n_fft: int, hop_length: int, center: bool = True) -> Tensor:
    """(batch, time) -> squared magnitudes (batch, 1 + n_fft // 2, frame).

    With `center` the ends are padded by reflection with n_fft // 2 samples, so there are 1 + time // hop_length
    frames; without, 1 + (time - n_fft) // hop_length. `window` is shorter than or as long as n_fft; torch pads it
    centrally.
    """
    spectrum = torch.stft(
        mirrored(waveform, n_fft // 2) if center else waveform,
        n_fft,
        hop_length=hop_length,
        win_length=window.numel(),
        window=window,
        center=False,
        return_complex=True,
    )
    return spectrum.real.square() + spectrum.imag.square()


def mirrored(waveform: Tensor, n_samples: int) -> Tensor:
    """(..., time) with `n_samples` more on both sides, reflected without the end sample: torch's pad takes thrice."""
    before = waveform[..., 1 : n_samples + 1].flip(-1)
    after = waveform[..., -n_samples - 1 : -1].flip(-1)
    return torch.cat([before, waveform, after], dim=-1)


def amplitude(power: Tensor) -> Tensor:
    """Square root with a finite gradient at 0, where it gives 1e-15."""
    return power.clamp(min=_SILENT_POWER).sqrt()
