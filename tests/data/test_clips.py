"""Crops and their order: chance follows from seed, epoch and row, on any number of workers and ranks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tinyscene.audio import write_wav
from tinyscene.batch import Batch
from tinyscene.data import ClipStore, Crops, EpochSampler, clip_windows, training_loader


@pytest.fixture
def crops(cache, small_system, clips) -> Crops:
    """Six clips of 0.384 s, 13 frames: room for 6 different crops of 8, and two crops of each an epoch."""
    dataset = clips(*[0.384] * 6)
    return Crops(ClipStore(small_system, dataset, "whole"), dataset, np.arange(6), seed=1)


def epoch_of(crops: Crops, epoch: int, **loading) -> list:
    sampler = EpochSampler(len(crops), crops.seed)
    sampler.set_epoch(epoch)
    return list(DataLoader(crops, 2, sampler=sampler, collate_fn=lambda batch: batch, **loading))


def test_a_clip_gives_as_many_crops_an_epoch_as_windows_fit_in_it(cache, small_system, clips):
    dataset = clips(0.1, 0.25, 0.5, 1.0)
    crops = Crops(ClipStore(small_system, dataset, "whole"), dataset, np.arange(4), seed=1)
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
    crops = Crops(ClipStore(small_system, dataset, "whole"), dataset, np.arange(2), seed=1)
    heard = [(crops.__getitems__([(epoch, 0)]).x[0] > crops.silence_level).any(dim=(0, 1)) for epoch in range(50)]
    assert all(frames[: crops.n_frames // 2].all() for frames in heard)


def test_a_clip_of_nothing_but_silence_gives_silence(cache, small_system, clips, tmp_path):
    dataset = clips(0.25, 0.25)
    padded_with_silence(tmp_path / "0.wav", 0.0, 2.0)
    crops = Crops(ClipStore(small_system, dataset, "whole"), dataset, np.arange(2), seed=1)
    assert (crops.__getitems__([(0, 0)]).x <= crops.silence_level).all()


def test_a_clip_of_one_window_is_taken_whole(cache, small_system, clips):
    dataset = clips(0.25, 0.1)
    crops = Crops(ClipStore(small_system, dataset, "whole"), dataset, np.arange(2), seed=1)
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


class Louder:
    """A wave augmentation: every clip times a drawn number; it asks for a quarter more than a window."""

    places = ("wave",)
    reach = 1.25

    def draw(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        assert batch.sample_rate_hz == 8_000
        return rng.uniform(1, 2, (len(batch.x), 1)).astype(np.float32)

    def apply(self, batch: Batch, params: np.ndarray) -> Batch:
        return replace(batch, x=batch.x * torch.from_numpy(params))


@pytest.fixture
def waves(cache, small_system, clips) -> Crops:
    """Six clips of 0.5 s as waveforms, two crops of 0.25 s each an epoch, made louder."""
    dataset = clips(*[0.5] * 6)
    return Crops(ClipStore(small_system, dataset, "waveform"), dataset, np.arange(6), seed=1, wave=[Louder()])


def test_waveforms_are_cropped_and_augmented(waves):
    items = [(2, 3), (2, 7)]
    batch = waves.__getitems__(items)
    assert batch.x.shape == (2, 2_000)
    for x, (_, item) in zip(batch.x, items, strict=True):
        clip = torch.from_numpy(np.array(waves.store[waves.clips[item]]))
        assert clip.shape == (4_000,)
        runs = clip.unfold(0, 2_000, 1)
        gain = x.norm() / runs.norm(dim=1)
        off = (runs * gain[:, None] - x).abs().amax(1)
        best = int(off.argmin())
        assert off[best] < 1e-6, "not a run of its clip times a number"
        assert 1 < gain[best] < 2
        assert best <= 4_000 - 2_500, "what the augmentation asked for beyond the window was not there"


def test_a_short_waveform_is_repeated_to_what_the_augmentations_ask_for(cache, small_system, clips):
    dataset = clips(0.25, 0.25)
    crops = Crops(ClipStore(small_system, dataset, "waveform"), dataset, np.arange(2), seed=1, wave=[Louder()])
    assert crops.n_drawn == 2_500
    assert crops.__getitems__([(0, 0)]).x.shape == (1, 2_000)


@pytest.mark.parametrize("workers", [1, 2])
def test_augmented_waveforms_are_the_same_on_any_number_of_workers(waves, workers):
    def epoch(workers: int) -> torch.Tensor:
        loader = training_loader(waves, 4, workers=workers)
        return torch.cat([batch.x for batch in loader])

    assert torch.equal(epoch(workers), epoch(0))


def test_waveform_augmentation_follows_from_seed_and_epoch(waves):
    def first(seed: int, epoch: int) -> torch.Tensor:
        crops = Crops(waves.store, waves.dataset, waves.rows, seed, waves.wave)
        return crops.__getitems__([(epoch, 0), (epoch, 1)]).x

    assert torch.equal(first(1, 0), first(1, 0))
    assert not torch.equal(first(1, 0), first(1, 1))
    assert not torch.equal(first(1, 0), first(2, 0))


@pytest.mark.parametrize("cut", ["whole", "waveform"])
def test_clips_in_order_are_their_windows_with_nothing_drawn(cache, small_system, clips, cut):
    dataset = clips(0.6, 0.25, 0.1)
    store = ClipStore(small_system, dataset, cut)
    batches = list(Crops(store, dataset, np.array([1, 0]), seed=1, wave=[Louder()]).in_order())
    assert [batch.file for batch in batches] == [("1.wav",), ("0.wav", "0.wav")]
    assert [set(batch.device) for batch in batches] == [{"b"}, {"a"}]
    clip = torch.from_numpy(np.array(store[0] if cut == "waveform" else store[0][0]))
    assert torch.equal(batches[1].x[1], clip[..., store.n_frames : 2 * store.n_frames])


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
    some = Crops(ClipStore(small_system, dataset, "whole"), dataset, np.arange(n), seed=1)
    assert [len(batch.target) for batch in training_loader(some, batch_size)] == sizes


@pytest.mark.parametrize("limit", [1, 3, 128])
def test_windows_come_with_the_position_of_their_clip(cache, small_system, clips, limit):
    store = ClipStore(small_system, clips(0.25, 0.6, 1.0, 0.1), "windows")
    rows = np.array([2, 0, 1])
    parts = list(clip_windows(store, rows, limit))
    owners = np.concatenate([owner for _, owner in parts])
    assert owners.tolist() == [0] * 4 + [1] + [2] * 3
    together = torch.cat([windows for windows, _ in parts])
    assert torch.equal(together, torch.from_numpy(np.concatenate([store[row] for row in rows])))
    assert all(len(owner) < limit + 4 for _, owner in parts)


def test_windows_of_many_numbers_come_a_clip_at_a_time(cache, small_system, clips):
    store = ClipStore(small_system, clips(0.25, 0.6, 1.0), "windows")
    assert len(list(clip_windows(store, np.arange(3), cells=1))) == 3
    assert len(list(clip_windows(store, np.arange(3), cells=10**9))) == 1
