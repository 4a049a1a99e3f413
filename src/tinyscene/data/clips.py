"""Torch data sets over a BandStore: random crops to train on, whole clips as windows to evaluate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from ..batch import Batch
from .band_store import BandStore
from .dataset import Dataset

Item = tuple[int, int]  # (epoch, row): all chance of an item follows from it, on any number of workers

# First entry of a seed: numpy pads seeds with zeros, so [seed, epoch] and [seed, epoch, 0] would be the same stream.
_CROP, _ORDER = 0xC409, 0x04DE4


class Crops(TorchDataset[Batch]):
    """Training items: crops of one window's frames, drawn anew in each epoch.

    A clip gives as many crops an epoch as windows fit in it, so that an epoch passes over all audio once, however
    it is cut into files. A crop's centre is drawn among the frames that sound: padded silence teaches nothing.
    """

    def __init__(self, store: BandStore, dataset: Dataset, rows: np.ndarray, seed: int):
        self.store, self.dataset, self.rows, self.seed = store, dataset, rows, seed
        self.n_frames, self.silence_level = store.n_frames, store.silence_level
        self.clips = np.repeat(rows, [max(1, round(store[int(row)].shape[-1] / self.n_frames)) for row in rows])
        self.eye = np.eye(len(dataset.classes), dtype=np.float32)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitems__(self, items: Sequence[Item]) -> Batch:
        epoch = items[0][0]
        rows = [int(self.clips[i]) for _, i in items]
        x = np.stack([self._crop(epoch, i) for _, i in items])
        return Batch(
            x=torch.from_numpy(x),
            target=torch.from_numpy(self.eye[self.dataset.target[rows]]),
            device=tuple(self.dataset.device[rows]),
            city=tuple(self.dataset.city[rows]),
            file=tuple(self.dataset.files[rows]),
            epoch=epoch,
        )

    def _crop(self, epoch: int, item: int) -> np.ndarray:
        bands = self.store[int(self.clips[item])][0]
        spare = bands.shape[-1] - self.n_frames
        if spare <= 0:
            return np.ascontiguousarray(bands)
        rng = np.random.default_rng([_CROP, self.seed, epoch, item])
        heard = bands.max(axis=(0, 1)) > self.silence_level
        middle = self.n_frames // 2
        starts = np.flatnonzero(heard[middle : middle + spare + 1])
        if len(starts):
            start = int(rng.choice(starts))
        else:  # the sound lies at the clip's ends, nearer to them than half a window; or there is none
            centre = rng.choice(np.flatnonzero(heard)) if heard.any() else rng.integers(len(heard))
            start = int(np.clip(centre - middle, 0, spare))
        return np.ascontiguousarray(bands[..., start : start + self.n_frames])

    def mean_spectra(self) -> Mapping[str, np.ndarray]:
        """Mean band spectrum, (band,), of each device's training clips: what spectrum correction learns from."""
        sums: dict[str, np.ndarray] = {}
        counts: dict[str, int] = {}
        for row in self.rows:
            device = str(self.dataset.device[row])
            sums[device] = sums.get(device, 0.0) + self.store[int(row)][0].mean((0, 2), dtype=np.float64)
            counts[device] = counts.get(device, 0) + 1
        return {device: total / counts[device] for device, total in sums.items()}


class EpochSampler(Sampler[Item]):
    """(epoch, row) pairs in an order that follows from seed and epoch; each rank of several takes every n-th.

    The trainer calls `set_epoch` before each epoch, so that a resumed run sees the order of an uninterrupted one.
    """

    def __init__(self, n: int, seed: int, rank: int = 0, ranks: int = 1):
        self.n, self.seed, self.rank, self.ranks, self.epoch = n, seed, rank, ranks, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.n // self.ranks)

    def __iter__(self) -> Iterator[Item]:
        order = np.random.default_rng([_ORDER, self.seed, self.epoch]).permutation(self.n)
        own = np.resize(order, len(self) * self.ranks)[self.rank :: self.ranks]
        return ((self.epoch, int(i)) for i in own)


def training_loader(crops: Crops, batch_size: int, rank: int = 0, ranks: int = 1) -> DataLoader[Batch]:
    """Batches of `batch_size` crops; a batch of one clip at the end is left out, batch norm cannot use it."""
    sampler = EpochSampler(len(crops), crops.seed, rank, ranks)
    lonely = len(sampler) % batch_size == 1 and len(sampler) > 1
    return DataLoader(crops, batch_size, sampler=sampler, collate_fn=_as_is, drop_last=lonely)


def clip_windows(store: BandStore, rows: np.ndarray, limit: int = 128) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    """(windows (n, channel, band, frame), position of each window's clip in `rows`), at most about `limit` at once."""
    held: list[np.ndarray] = []
    owners: list[int] = []
    for position, row in enumerate(rows):
        windows = store[int(row)]
        held.append(windows)
        owners += [position] * len(windows)
        if len(owners) >= limit or position == len(rows) - 1:
            yield torch.from_numpy(np.concatenate(held)), np.asarray(owners)
            held, owners = [], []


def _as_is(batch: Any) -> Batch:  # Crops collates
    return batch
