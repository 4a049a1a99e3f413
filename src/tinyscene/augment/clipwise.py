"""What augmentations of waveforms share: which clips are chosen, their rate, and work on them one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..errors import SettingError


def chosen_clips(batch: Batch, p: float, rng: np.random.Generator) -> np.ndarray:
    """(batch,) bool: each clip by itself with probability p."""
    return rng.random(len(batch.x)) < p


def known_rate(batch: Batch, owner: str) -> int:
    """The waveforms' rate in Hz; SettingError when the batch does not tell it."""
    if batch.sample_rate_hz <= 0:
        raise SettingError(f"{owner} needs Batch.sample_rate_hz, the clips' rate in Hz; {batch.sample_rate_hz} came.")
    return batch.sample_rate_hz


def with_clips(x: Tensor, clips: Sequence[int], change: Callable[[int, np.ndarray], np.ndarray]) -> Tensor:
    """x, (batch, time), with the rows `clips` become change(clip, waveform), made on as many threads as torch has."""

    def changed(i: int) -> np.ndarray:
        return change(i, x[i].detach().to("cpu", torch.float32).numpy())

    if not len(clips):
        return x
    n_threads = min(len(clips), torch.get_num_threads())
    if n_threads > 1:
        with ThreadPoolExecutor(n_threads) as pool:
            rows = list(pool.map(changed, clips))
    else:
        rows = [changed(i) for i in clips]
    result = x.clone()
    result[torch.as_tensor(clips, device=x.device)] = torch.from_numpy(np.stack(rows)).to(x)
    return result
