"""Crops and their order: chance follows from seed, epoch and row, on any number of workers and ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tinyscene.audio import write_wav
from tinyscene.data import BandStore, Crops, EpochSampler, clip_windows, training_loader


@pytest.fixture
def crops(cache, small_system, clips) -> Crops:
    """Six clips of 0.384 s, 13 frames: room for 6 different crops of 8, and two crops of each an epoch."""
    dataset = clips(*[0.384] * 6)
    return Crops(BandStore(small_system, dataset, "whole"), dataset, np.arange(6), seed=1)


def epoch_of(crops: Crops, epoch: int, **loading) -> list:
    sampler = EpochSampler(len(crops), crops.seed)
    sampler.set_epoch(epoch)
    return list(DataLoader(crops, 2, sampler=sampler, collate_fn=lambda batch: batch, **loading))


def test_a_clip_gives_as_many_crops_an_epoch_as_windows_fit_in_it(cache, small_system, clips):
    dataset = clips(0.1, 0.25, 0.5, 1.0)
    crops = Crops(BandStore(small_system, dataset, "whole"), dataset, np.arange(4), seed=1)
    assert np.bincount(crops.clips).tolist() == [1, 1, 2, 4]
    assert len(crops) == 8


def test_a_crop_is_a_run_of_frames_of_its_clip(crops):
    for item, row in enumerate(crops.clips):
        x = crops.__getitems__([(3, item)]).x[0]
        whole = torch.from_numpy(np.array(crops.store[row][0]))
        assert x.shape == (1, 8, crops.n_frames)
        starts = range(whole.shape[-1] - crops.n_frames + 1)
        assert sum(torch.equal(whole[..., s : s + crops.n_frames], x) for s in starts) == 1


def test_a_batch_says_what_its_clips_are(crops):
    batch = crops.__getitems__([(3, 2), (3, 1)])  # clip 1, first crop; clip 0, second crop
    assert batch.target.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert (batch.file, batch.device, batch.epoch) == (("1.wav", "0.wav"), ("b", "a"), 3)


def test_only_the_rows_that_were_given_are_used(crops):
    some = Crops(crops.store, crops.dataset, np.array([4, 2]), seed=1)
    assert some.__getitems__([(0, i) for i in range(len(some))]).file == ("4.wav", "4.wav", "2.wav", "2.wav")


def test_an_item_has_the_same_crop_whatever_else_is_in_its_batch(crops):
    alone = crops.__getitems__([(2, 3)]).x[0]
    together = crops.__getitems__([(2, 0), (2, 3), (2, 5)]).x[1]
    assert torch.equal(alone, together)


def test_crops_are_the_same_on_0_and_on_2_workers(crops):
    here, there = epoch_of(crops, 4), epoch_of(crops, 4, num_workers=2)
    assert [batch.file for batch in here] == [batch.file for batch in there]
    assert all(torch.equal(a.x, b.x) for a, b in zip(here, there, strict=True))


def test_other_epochs_and_other_seeds_have_other_crops(crops):
    items = range(len(crops))
    first, second = (crops.__getitems__([(epoch, item) for item in items]).x for epoch in (0, 1))
    other = Crops(crops.store, crops.dataset, crops.rows, seed=2).__getitems__([(0, item) for item in items]).x
    for x in (second, other):
        assert not torch.equal(first, x)


def test_every_crop_of_a_clip_is_drawn(crops):
    whole = torch.from_numpy(np.array(crops.store[0][0]))
    made = [crops.__getitems__([(epoch, 0)]).x[0] for epoch in range(300)]
    for start in range(whole.shape[-1] - crops.n_frames + 1):
        assert any(torch.equal(x, whole[..., start : start + crops.n_frames]) for x in made), start


def padded_with_silence(path: Path, sound_s: float, clip_s: float) -> None:
    sound = np.zeros(round(clip_s * 8_000), np.float32)
    n = round(sound_s * 8_000)
    sound[:n] = 0.1 * np.random.default_rng(0).standard_normal(n)
    write_wav(path, sound, 8_000)


def test_crops_stay_with_the_sound_of_a_clip_that_was_padded_with_silence(cache, small_system, clips, tmp_path):
    dataset = clips(0.25, 0.25)
    padded_with_silence(tmp_path / "0.wav", 0.5, 4.0)
    crops = Crops(BandStore(small_system, dataset, "whole"), dataset, np.arange(2), seed=1)
    heard = [(crops.__getitems__([(epoch, 0)]).x[0] > crops.silence_level).any(dim=(0, 1)) for epoch in range(50)]
    assert all(frames[: crops.n_frames // 2].all() for frames in heard)


def test_a_clip_of_nothing_but_silence_gives_silence(cache, small_system, clips, tmp_path):
    dataset = clips(0.25, 0.25)
    padded_with_silence(tmp_path / "0.wav", 0.0, 2.0)
    crops = Crops(BandStore(small_system, dataset, "whole"), dataset, np.arange(2), seed=1)
    assert (crops.__getitems__([(0, 0)]).x <= crops.silence_level).all()


def test_a_clip_of_one_window_is_taken_whole(cache, small_system, clips):
    dataset = clips(0.25, 0.1)
    crops = Crops(BandStore(small_system, dataset, "whole"), dataset, np.arange(2), seed=1)
    made = crops.__getitems__([(0, 0), (0, 1)]).x
    assert torch.equal(made[0], torch.from_numpy(np.array(crops.store[0][0])))
    assert made.shape == (2, 1, 8, crops.n_frames)


def test_crop_order_and_epoch_have_streams_of_their_own(crops, monkeypatch):
    """numpy pads seeds with zeros: [1, 0] and [1, 0, 0] are one stream, and order and crops would be entangled."""
    seeds = []
    made = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: seeds.append(seed) or made(seed))
    list(EpochSampler(6, seed=1))
    crops.__getitems__([(0, item) for item in range(6)])
    firsts = [made(seed).integers(2**63) for seed in seeds]
    assert len(seeds) == 7
    assert len(set(firsts)) == 7


def test_mean_spectra_are_the_mean_over_clips_and_frames_of_each_device(crops):
    some = Crops(crops.store, crops.dataset, np.array([0, 2, 3]), seed=1)
    made = some.mean_spectra()
    assert set(made) == {"a", "b"}
    a = np.mean([crops.store[row][0].mean((0, 2), dtype=np.float64) for row in (0, 2)], axis=0)
    assert np.allclose(made["a"], a)
    assert np.allclose(made["b"], crops.store[3][0].mean((0, 2), dtype=np.float64))


@pytest.mark.parametrize(("n", "ranks"), [(12, 1), (12, 3), (13, 4)])
def test_ranks_part_the_epoch(n, ranks):
    own = [[row for _, row in EpochSampler(n, 1, rank, ranks)] for rank in range(ranks)]
    assert {len(rows) for rows in own} == {-(-n // ranks)} == {len(EpochSampler(n, 1, 0, ranks))}
    together = sorted(row for rows in own for row in rows)
    assert set(together) == set(range(n))
    assert len(together) - n == -n % ranks  # as many twice as it takes to give each rank as many


def test_order_follows_from_seed_and_epoch():
    def order(seed: int, epoch: int) -> list[tuple[int, int]]:
        sampler = EpochSampler(50, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2)
    assert sorted(order(1, 2)) == [(2, row) for row in range(50)]
    rows = [[row for _, row in order(*key)] for key in ((1, 2), (1, 3), (2, 2))]
    assert rows[0] != rows[1] != rows[2] != rows[0]


@pytest.mark.parametrize(("n", "batch_size", "sizes"), [(6, 4, [4, 2]), (5, 4, [4]), (4, 4, [4]), (1, 4, [1])])
def test_a_last_batch_of_one_is_left_out(cache, small_system, clips, n, batch_size, sizes):
    dataset = clips(*[0.25] * 6)
    some = Crops(BandStore(small_system, dataset, "whole"), dataset, np.arange(n), seed=1)
    assert [len(batch.target) for batch in training_loader(some, batch_size)] == sizes


@pytest.mark.parametrize("limit", [1, 3, 128])
def test_windows_come_with_the_position_of_their_clip(cache, small_system, clips, limit):
    store = BandStore(small_system, clips(0.25, 0.6, 1.0, 0.1), "windows")
    rows = np.array([2, 0, 1])
    parts = list(clip_windows(store, rows, limit))
    owners = np.concatenate([owner for _, owner in parts])
    assert owners.tolist() == [0] * 4 + [1] + [2] * 3
    together = torch.cat([windows for windows, _ in parts])
    assert torch.equal(together, torch.from_numpy(np.concatenate([store[row] for row in rows])))
    assert all(len(owner) < limit + 4 for _, owner in parts)
