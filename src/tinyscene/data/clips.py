"""Torch data sets over a ClipStore: random crops to train on, whole clips as windows to evaluate."""

from __future__ import annotations

import copy
import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from ..augment import Augmentation, augmented
from ..batch import Batch
from ..runtime.windows import fill_window
from .clip_store import ClipStore
from .dataset import Dataset

Item = tuple[int, int]  # (epoch, row): all chance of an item follows from it, on any number of workers

# First entry of a seed: numpy pads seeds with zeros, so [seed, epoch] and [seed, epoch, 0] would be the same stream.
_CROP, _ORDER, _WAVE, _VIEW = 0xC409, 0x04DE4, 0x3A7E, 0x71E3


class Crops(TorchDataset[Batch]):
    """Training items: crops of one window's length, drawn anew in each epoch; `wave` augments those of waveforms.

    A clip gives as many crops an epoch as windows fit in it, so that an epoch passes over all audio once, however
    it is cut into files. A crop's centre is drawn where the clip sounds: padded silence teaches nothing.
    """

    def __init__(
        self, store: ClipStore, dataset: Dataset, rows: np.ndarray, seed: int, wave: Sequence[Augmentation] = ()
    ):
        self.store, self.dataset, self.rows, self.seed, self.wave = store, dataset, rows, seed, wave
        self.n_frames, self.silence_level = store.n_frames, store.silence_level
        # An augmentation that plays faster needs more to play; what is left over is cut off behind it.
        self.n_drawn = math.ceil(self.n_frames * math.prod(getattr(part, "reach", 1.0) for part in wave))
        self.clips = np.repeat(rows, [max(1, round(store[int(row)].shape[-1] / self.n_frames)) for row in rows])
        self.eye = np.eye(len(dataset.classes), dtype=np.float32)
        self._sounding: dict[int, np.ndarray] = {}
        self.teacher: np.ndarray | None = None  # (clip of the data set, class) logits
        self.n_views, self.views_of = 0, "clip"

    def taught(self, teacher: np.ndarray) -> Crops:
        """The same with a teacher's logits (clip of the data set, class) in each batch."""
        crops = copy.copy(self)
        crops.teacher = teacher
        return crops

    def viewed(self, n: int, of: str) -> Crops:
        """The same with `n` further crops of each clip in the batch's `views`, nothing augmented.

        of: "clip" draws them from the clip itself, "class" from clips of its class in other recordings.
        """
        crops = copy.copy(self)
        crops.n_views, crops.views_of = n, of
        return crops

    def __len__(self) -> int:
        return len(self.clips)

    def __getitems__(self, items: Sequence[Item]) -> Batch:
        epoch = items[0][0]
        rows = [int(self.clips[i]) for _, i in items]
        batch = self._batch(np.stack([self._crop(epoch, i) for _, i in items]), rows, epoch)
        if self.wave:
            batch = augmented(batch, self.wave, np.random.default_rng([_WAVE, self.seed, epoch, items[0][1]]))
        if self.n_drawn > self.n_frames:
            batch = replace(batch, x=batch.x[..., : self.n_frames])
        if self.n_views:
            views = [[self._view(epoch, i, view) for _, i in items] for view in range(self.n_views)]
            batch = replace(batch, views=torch.from_numpy(np.stack(views).astype(np.float32, copy=False)))
        return batch

    def in_order(self) -> Iterator[Batch]:
        """Every training clip once, nothing drawn: a batch a clip, of the whole windows that fit in it.

        It is what parts that learn from the training set are shown. Clips of one segment follow each other.
        """
        for row in map(int, sorted(self.rows, key=lambda row: self.dataset.segment[row])):
            clip = self.store[row]
            clip = clip if self.store.cut == "waveform" else clip[0]
            starts = range(0, max(1, clip.shape[-1] - self.n_frames + 1), self.n_frames)
            pieces = np.stack([clip[..., start : start + self.n_frames] for start in starts])
            yield self._batch(pieces, [row] * len(pieces), epoch=0)

    def _batch(self, x: np.ndarray, rows: list[int], epoch: int) -> Batch:
        return Batch(
            x=torch.from_numpy(x.astype(np.float32, copy=False)),
            target=torch.from_numpy(self.eye[self.dataset.target[rows]]),
            device=tuple(self.dataset.device[rows]),
            city=tuple(self.dataset.city[rows]),
            file=tuple(self.dataset.files[rows]),
            segment=tuple(self.dataset.segment[rows]),
            epoch=epoch,
            sample_rate_hz=self.store.sample_rate_hz,
            teacher=None if self.teacher is None else torch.from_numpy(self.teacher[rows]),
        )

    def _view(self, epoch: int, item: int, view: int) -> np.ndarray:
        rng = np.random.default_rng([_VIEW, self.seed, epoch, item, view])
        row = int(self.clips[item])
        if self.views_of == "class":
            own = self.dataset.target[self.rows] == self.dataset.target[row]
            others = self.rows[own & (self.dataset.recording[self.rows] != self.dataset.recording[row])]
            row = int(rng.choice(others)) if len(others) else row
        return self._cut(row, self.n_frames, rng)

    def _crop(self, epoch: int, item: int) -> np.ndarray:
        """(channel, band, n_frames), or (n_drawn,) of a waveform."""
        return self._cut(int(self.clips[item]), self.n_drawn, np.random.default_rng([_CROP, self.seed, epoch, item]))

    def _cut(self, row: int, length: int, rng: np.random.Generator) -> np.ndarray:
        clip = self.store[row]
        clip = fill_window(clip, length) if self.store.cut == "waveform" else clip[0]
        spare = clip.shape[-1] - length
        if spare <= 0:
            return np.ascontiguousarray(clip)
        heard = self._heard(row, clip)
        middle = length // 2
        starts = np.flatnonzero(heard[middle : middle + spare + 1])
        if len(starts):
            start = int(rng.choice(starts))
        else:  # the sound lies at the clip's ends, nearer to them than half a window; or there is none
            centre = rng.choice(np.flatnonzero(heard)) if heard.any() else rng.integers(len(heard))
            start = int(np.clip(centre - middle, 0, spare))
        return np.ascontiguousarray(clip[..., start : start + length])

    def _heard(self, row: int, clip: np.ndarray) -> np.ndarray:
        """Where the clip sounds, (sample,) or (frame,): of a map it is kept, a tenth of an epoch's time."""
        if clip.ndim == 1:
            return np.abs(clip) > self.silence_level
        if row not in self._sounding:
            self._sounding[row] = clip.max(axis=(0, 1)) > self.silence_level
        return self._sounding[row]


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


def training_loader(
    crops: Crops, batch_size: int, rank: int = 0, ranks: int = 1, workers: int | None = None
) -> DataLoader[Batch]:
    """Batches of `batch_size` crops; a batch of one clip at the end is left out, batch norm cannot use it.

    `workers` are processes beside the trainer, by default as many as there are cores where waveforms are augmented, and
    none elsewhere: reading features costs less than sending them.
    """
    sampler = EpochSampler(len(crops), crops.seed, rank, ranks)
    lonely = len(sampler) % batch_size == 1 and len(sampler) > 1
    if workers is None:  # a worker that is not forked would be sent the whole store
        workers = (os.cpu_count() or 1) if crops.wave and "fork" in multiprocessing.get_all_start_methods() else 0
    return DataLoader(
        crops,
        batch_size,
        sampler=sampler,
        collate_fn=_as_is,
        drop_last=lonely,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers else None,
    )


def clip_windows(
    store: ClipStore, rows: np.ndarray, limit: int = 128, cells: int = 3_000_000
) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    """(windows (n, channel, band, frame), position of each window's clip in `rows`), about `limit` at once, or fewer
    where they hold more than `cells` numbers: a network's maps take up to a hundred times the memory of its input.
    """
    held: list[np.ndarray] = []
    owners: list[int] = []
    for position, row in enumerate(rows):
        windows = store[int(row)]
        held.append(windows)
        owners += [position] * len(windows)
        if len(owners) >= limit or len(owners) * windows[0].size >= cells or position == len(rows) - 1:
            yield torch.from_numpy(np.concatenate(held)), np.asarray(owners)
            held, owners = [], []


def _as_is(batch: Any) -> Batch:  # Crops collates
    return batch
