"""Short-time spectra of (..., time) tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def power_spectrum(waveform: Tensor, window: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """(batch, time) -> squared magnitudes (batch, 1 + n_fft // 2, frame).

    Frames are centred: the ends are padded by reflection with n_fft // 2 samples, so there are
    1 + time // hop_length frames. `window` is shorter than or as long as n_fft; torch pads it centrally.
    """
    spectrum = torch.stft(
        waveform,
        n_fft,
        hop_length=hop_length,
        win_length=window.numel(),
        window=window,
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    return spectrum.real.square() + spectrum.imag.square()
