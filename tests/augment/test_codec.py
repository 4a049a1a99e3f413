"""Codec: which clips, which format, which bit rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.audio.codec import codec_round_trip
from tinyscene.augment.codec import Codec, CodecDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError


def batch(n: int = 4, n_samples: int = 4_000, rate: int = 16_000) -> Batch:
    x = 0.1 * torch.randn(n, n_samples, generator=torch.Generator().manual_seed(0))
    return Batch(x=x, target=torch.zeros(n, 2), sample_rate_hz=rate)


def test_each_chosen_clip_goes_through_its_own_codec():
    clips = batch(3)
    draw = CodecDraw(np.array([True, False, True]), np.array([0, 0, 1]), np.array([48, 99, 24]))
    made = Codec().apply(clips, draw).x
    assert np.array_equal(made[0], codec_round_trip(clips.x[0].numpy(), 16_000, "mp3", 48))
    assert torch.equal(made[1], clips.x[1])
    assert np.array_equal(made[2], codec_round_trip(clips.x[2].numpy(), 16_000, "aac", 24))


def test_draws_follow_p_formats_and_bit_rates():
    draw = Codec(low_kbps=40, high_kbps=43, p=0.3).draw(batch(8_000, 1), np.random.default_rng(1))
    assert stats.binomtest(int(draw.coded.sum()), 8_000, 0.3).pvalue > 0.01
    assert stats.chisquare(np.bincount(draw.format, minlength=2)).pvalue > 0.01
    values, counts = np.unique(draw.kbps, return_counts=True)
    assert values.tolist() == [40, 41, 42, 43]
    assert stats.chisquare(counts).pvalue > 0.01


def test_one_format_alone():
    clips = batch(2)
    part = Codec(("aac",), 32, 32, p=1.0)
    made = part.apply(clips, part.draw(clips, np.random.default_rng(0))).x
    assert np.array_equal(made[1], codec_round_trip(clips.x[1].numpy(), 16_000, "aac", 32))


def test_bad_settings_are_told():
    with pytest.raises(SettingError, match=r"Codec.formats has no format 'acc'; it takes mp3, aac. Did you mean 'aac'"):
        Codec(("mp3", "acc"))
    with pytest.raises(SettingError, match=r"Codec.formats takes mp3 and aac, one or more; none came"):
        Codec(())
    with pytest.raises(SettingError, match=r"Codec.low_kbps takes 8 to 320; 4 came"):
        Codec(low_kbps=4)
    with pytest.raises(SettingError, match=r"Codec.high_kbps takes 64 to 320; 32 came"):
        Codec(low_kbps=64, high_kbps=32)
    with pytest.raises(SettingError, match=r"Codec.p takes 0 to 1; -1 came"):
        Codec(p=-1)
    with pytest.raises(SettingError, match=r"Codec needs Batch.sample_rate_hz"):
        Codec().draw(batch(rate=0), np.random.default_rng(0))
