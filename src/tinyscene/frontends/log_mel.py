"""Log-mel: waveform -> un-normalised log band features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..dsp import power_spectrum
from ..errors import AudioError, SettingError
from ..runtime.filterbanks import mel_filterbank

LOGS = ("log10", "ln", "db")


class LogMel(nn.Module):
    """Waveform (batch, time) in -1..1 -> (batch, 1, n_mels, frame), frame = 1 + time // hop_length.

    Centred, reflect-padded STFT with a periodic Hann window, power, triangular mel bank, logarithm.

    Args:
        sample_rate_hz: rate of the waveform.
        n_fft, win_length, hop_length: samples; win_length <= n_fft.
        n_mels: bands. f_min, f_max: edges of the bank in Hz, f_max at most half the rate.
        mel_scale: "htk" or "slaney". mel_norm: "slaney" (equal area) or None (peaks at 1).
        log: "log10" and "ln" take log(x + floor); "db" takes 10 log10(max(x, floor)).
        floor: smallest power told from silence.

    Raises:
        SettingError: naming the field that is out of range.
        AudioError: a waveform too short for its ends to be mirrored.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        n_fft: int,
        win_length: int,
        hop_length: int,
        n_mels: int,
        f_min: float,
        f_max: float,
        mel_scale: str = "htk",
        mel_norm: str | None = None,
        log: str = "log10",
        floor: float = 1e-10,
    ):
        super().__init__()
        if n_fft < 2 or n_fft % 2:
            raise SettingError(f"LogMel.n_fft takes an even number of samples from 2; {n_fft} came.")
        if not 1 <= win_length <= n_fft:
            raise SettingError(f"LogMel.win_length takes 1 to n_fft ({n_fft}) samples; {win_length} came.")
        if hop_length < 1:
            raise SettingError(f"LogMel.hop_length takes 1 sample or more; {hop_length} came.")
        if log not in LOGS:
            raise SettingError(f"LogMel.log takes {', '.join(LOGS)}; '{log}' came.")
        if floor <= 0:
            raise SettingError(f"LogMel.floor takes a power above 0; {floor} came.")
        self.n_fft, self.hop_length, self.log, self.floor = n_fft, hop_length, log, floor
        bank = mel_filterbank(sample_rate_hz, n_fft, n_mels, f_min, f_max, mel_scale, mel_norm)
        window = torch.hann_window(win_length, periodic=True, dtype=torch.float64)
        self.register_buffer("window", window.float(), persistent=False)
        self.register_buffer("bank", torch.from_numpy(bank).float(), persistent=False)
        self.window: Tensor
        self.bank: Tensor

    def forward(self, waveform: Tensor) -> Tensor:
        if waveform.shape[-1] <= self.n_fft // 2:
            raise AudioError(
                f"LogMel takes more than {self.n_fft // 2} samples (half of n_fft {self.n_fft}), since their ends are "
                f"mirrored; {waveform.shape[-1]} came. Lower n_fft or lengthen task.window_s."
            )
        power = power_spectrum(waveform, self.window, self.n_fft, self.hop_length)
        bands = torch.matmul(self.bank, power)[:, None]
        if self.log == "db":
            return 10.0 * torch.log10(bands.clamp(min=self.floor))
        return torch.log10(bands + self.floor) if self.log == "log10" else torch.log(bands + self.floor)
