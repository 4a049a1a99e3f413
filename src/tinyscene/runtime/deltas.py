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
        inner, x = x, np.empty((*x.shape[:-1], x.shape[-1] + 2 * reach), x.dtype)
        x[..., reach:-reach], x[..., :reach], x[..., -reach:] = inner, inner[..., :1], inner[..., -1:]
    # All rows end to end: what reaches from one into the next falls on the frames that are left out.
    rows, n_inner = x.reshape(-1), x.size - 2 * reach
    total = np.zeros(x.size, dtype=x.dtype)
    slopes = total[:n_inner]
    for k in range(1, reach + 1):
        slopes += x.dtype.type(k) * (rows[reach + k :][:n_inner] - rows[reach - k :][:n_inner])
    slopes /= x.dtype.type(2 * sum(k * k for k in range(1, reach + 1)))
    return total.reshape(x.shape)[..., : x.shape[-1] - 2 * reach]
