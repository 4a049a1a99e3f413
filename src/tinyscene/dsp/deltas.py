"""Local slopes along the frame axis."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def deltas(features: Tensor, win_length: int = 5) -> Tensor:
    """Regression slope over `win_length` frames (odd, 3 or more), per frame; same shape, (..., frame).

    d[t] = sum_k k x[t+k] / (2 sum k^2), k = 1..(win_length-1)/2 both ways; the ends are repeated. This is the
    convention of torchaudio's ComputeDeltas and of HTK, taken by reports 001 and 002.
    """
    reach = (win_length - 1) // 2
    n_frames = features.shape[-1]
    rows = features.reshape(-1, n_frames)
    padded = F.pad(rows[:, None], (reach, reach), mode="replicate").squeeze(1)
    slope = torch.zeros_like(rows)
    for k in range(1, reach + 1):
        ahead = padded[:, reach + k : reach + k + n_frames]
        behind = padded[:, reach - k : reach - k + n_frames]
        slope = slope + k * (ahead - behind)
    return (slope / (2 * sum(k * k for k in range(1, reach + 1)))).reshape(features.shape)
