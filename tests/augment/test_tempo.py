"""Tempo: which factor, what fills, what is cut, what stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.audio.tempo import change_tempo
from tinyscene.augment.tempo import Tempo, TempoDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError

RATE = 8_000


def batch(n: int = 4, n_samples: int = RATE, rate: int = RATE) -> Batch:
    x = 0.1 * torch.randn(n, n_samples, generator=torch.Generator().manual_seed(0))
    return Batch(x=x, target=torch.zeros(n, 2), sample_rate_hz=rate)


def test_faster_clip_is_repeated_and_slower_one_cut():
    clips = batch(3)
    made = Tempo().apply(clips, TempoDraw(np.array([1.25, 1.0, 0.75]))).x
    faster, slower = (change_tempo(clips.x[i].numpy(), RATE, f) for i, f in ((0, 1.25), (2, 0.75)))
    assert len(faster) == 6_400
    assert np.array_equal(made[0, :6_400], faster)
    assert np.array_equal(made[0, 6_400:], faster[:1_600])
    assert torch.equal(made[1], clips.x[1])
    assert np.array_equal(made[2], slower[:RATE])


@pytest.mark.parametrize(("factors", "reach"), [((0.75, 1.25), 1.25), ((0.75,), 1.0), ((1.1, 2.0), 2.0)])
def test_reach_is_enough_that_none_is_filled(factors, reach):
    part = Tempo(factors, p=1.0)
    assert part.reach == reach
    window = 3_000
    clips = batch(6, round(reach * window))
    params = part.draw(clips, np.random.default_rng(0))
    made = part.apply(clips, params).x[:, :window]
    for row, clip, factor in zip(made, clips.x, params.factor, strict=True):
        alone = change_tempo(clip.numpy(), RATE, factor)
        assert len(alone) >= window
        assert np.array_equal(row, alone[:window])


def test_factors_are_drawn_alike_and_by_p():
    factor = Tempo(p=0.4).draw(batch(8_000, 1), np.random.default_rng(1)).factor
    assert stats.binomtest(int((factor != 1).sum()), len(factor), 0.4).pvalue > 0.01
    values, counts = np.unique(factor[factor != 1], return_counts=True)
    assert values.tolist() == [0.75, 0.85, 1.15, 1.25]
    assert stats.chisquare(counts).pvalue > 0.01


def test_threads_change_nothing():
    clips, before = batch(5), torch.get_num_threads()
    params = TempoDraw(np.array([1.25, 0.75, 1.15, 1.0, 0.85]))
    try:
        torch.set_num_threads(1)
        one = Tempo().apply(clips, params).x
        torch.set_num_threads(3)
        assert torch.equal(Tempo().apply(clips, params).x, one)
    finally:
        torch.set_num_threads(before)


def test_bad_settings_are_told():
    with pytest.raises(SettingError, match=r"Tempo.factors takes 0.5 to 2; 3.0 came"):
        Tempo((1.1, 3.0))
    with pytest.raises(SettingError, match=r"Tempo.factors takes one factor or more; none came"):
        Tempo(())
    with pytest.raises(SettingError, match=r"Tempo.p takes 0 to 1; 1.5 came"):
        Tempo(p=1.5)
    with pytest.raises(SettingError, match=r"Tempo needs Batch.sample_rate_hz"):
        Tempo().draw(batch(rate=0), np.random.default_rng(0))
