"""Local slopes along the frame axis, in numpy."""

from __future__ import annotations

import numpy as np


def deltas(x: np.ndarray, win_length: int = 5, edges: str = "padded") -> np.ndarray:
    """(..., frame): the slope of the line fitted to the win_length frames around each (odd, 3 or more).

    d[t] = sum_k k (x[t+k] - x[t-k]) / (2 sum k^2), k = 1..(win_length-1)/2. `edges` "padded" repeats the ends, so that
    the shape is kept; "valid" keeps the frames that have all their neighbours, win_length - 1 fewer.
    """
    reach = (win_length - 1) // 2
    if edges == "padded":
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(reach, reach)], mode="edge")
    n_frames = x.shape[-1] - 2 * reach
    total = np.zeros((*x.shape[:-1], n_frames), dtype=x.dtype)
    for k in range(1, reach + 1):
        ahead, behind = x[..., reach + k :][..., :n_frames], x[..., reach - k :][..., :n_frames]
        total += x.dtype.type(k) * (ahead - behind)
    return total / x.dtype.type(2 * sum(k * k for k in range(1, reach + 1)))
