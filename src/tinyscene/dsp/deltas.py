"""Local slopes along the frame axis."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def deltas(features: Tensor, win_length: int = 5, edges: str = "padded") -> Tensor:
    """Regression slope over `win_length` frames (odd, 3 or more), per frame, (..., frame).

    d[t] = sum_k k (x[t+k] - x[t-k]) / (2 sum k^2), k = 1..(win_length-1)/2. `edges` "padded" repeats the ends and keeps
    the shape: the convention of torchaudio's ComputeDeltas and of HTK, taken by reports 001 and 002. "valid" keeps the
    frames that have all their neighbours, win_length - 1 fewer (report 000).
    """
    reach = (win_length - 1) // 2
    rows = features.reshape(-1, features.shape[-1])
    if edges == "padded":
        rows = F.pad(rows[:, None], (reach, reach), mode="replicate").squeeze(1)
    n_frames = rows.shape[-1] - 2 * reach
    slope = torch.zeros_like(rows[:, :n_frames])
    for k in range(1, reach + 1):
        ahead = rows[:, reach + k : reach + k + n_frames]
        behind = rows[:, reach - k : reach - k + n_frames]
        slope = slope + k * (ahead - behind)
    slope = slope / (2 * sum(k * k for k in range(1, reach + 1)))
    return slope.reshape(*features.shape[:-1], n_frames)
