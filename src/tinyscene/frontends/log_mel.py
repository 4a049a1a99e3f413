"""Log-mel: waveform -> un-normalised log band features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..dsp import FilterBank, amplitude, level, power_spectrum
from ..runtime.filterbanks import mel_filterbank
from ..runtime.frames import periodic_window
from ..runtime.log_mel import check_log_mel, count_frames


class LogMel(nn.Module):
    """Waveform (batch, time) in -1..1 -> (batch, 1, n_mels, frame): STFT, power, triangular mel bank, logarithm.

    Frames: 1 + time // hop_length when centred, 1 + (time - n_fft) // hop_length when not.

    Args:
        sample_rate_hz: rate of the waveform.
        n_fft, win_length, hop_length: samples; win_length <= n_fft, the window stands in the middle of n_fft.
        n_mels: bands. f_min, f_max: edges of the bank in Hz, f_max at most half the rate.
        mel_scale: "htk" or "slaney". mel_norm: "slaney" (equal area) or None (peaks at 1).
        log: "log10" and "ln" take log(x + floor); "db" takes 10 log10(max(x, floor)).
        floor: smallest power told from silence.
        window: "hann" or "hamming", periodic.
        center: whether frames are centred, the ends mirrored by n_fft // 2.
        power: 2 for the power spectrum before the mel bank, 1 for the amplitude.

    Raises:
        SettingError: naming the field that is out of range.
        AudioError: a waveform too short for its ends to be mirrored, or for one frame.
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
        window: str = "hann",
        center: bool = True,
        power: float = 2.0,
    ):
        super().__init__()
        check_log_mel(n_fft, win_length, hop_length, log, floor, power)
        self.n_fft, self.hop_length, self.center = n_fft, hop_length, center
        self.log, self.floor, self.power = log, floor, power
        shape = torch.from_numpy(periodic_window("LogMel", window, win_length))
        self.register_buffer("window", shape.float(), persistent=False)
        self.window: Tensor
        self.bank = FilterBank(
            mel_filterbank(sample_rate_hz, n_fft, n_mels, f_min, f_max, mel_scale, mel_norm, "LogMel")
        )

    def forward(self, waveform: Tensor) -> Tensor:
        return self.bands(self.spectrum(waveform))

    def spectrum(self, waveform: Tensor) -> Tensor:
        """(batch, time) -> power spectrum (batch, 1 + n_fft // 2, frame), whatever `power` is."""
        count_frames(waveform.shape[-1], self.n_fft, self.hop_length, self.center)  # tells of clips too short
        return power_spectrum(waveform, self.window, self.n_fft, self.hop_length, self.center)

    def bands(self, power: Tensor) -> Tensor:
        """Power spectrum (batch, 1 + n_fft // 2, frame) -> (batch, 1, n_mels, frame)."""
        mel = self.bank(power if self.power == 2 else amplitude(power))
        return level(mel[:, None], self.log, self.floor)
