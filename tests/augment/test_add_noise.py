"""AddNoise: the ratio that was drawn, the colour of the noise, excerpts of recordings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from scipy import stats
from scipy.signal import welch

from tinyscene.augment.add_noise import AddNoise, AddNoiseDraw
from tinyscene.batch import Batch
from tinyscene.errors import AudioError, SettingError

RATE = 8_000


def batch(n: int = 6, n_samples: int = RATE, rate: int = RATE) -> Batch:
    x = 0.1 * torch.randn(n, n_samples, generator=torch.Generator().manual_seed(0))
    return Batch(x=x * torch.logspace(-3, 0, n)[:, None], target=torch.zeros(n, 2), sample_rate_hz=rate)


def noise_of(part: AddNoise, clips: Batch, seed: int = 0) -> np.ndarray:
    return (part.apply(clips, part.draw(clips, np.random.default_rng(seed))).x - clips.x).double().numpy()


@pytest.fixture
def folder(tmp_path):
    """Recordings of 3 s and 0.25 s: a ramp upwards from 0 and one downwards, so that a sample tells its place."""
    soundfile.write(tmp_path / "long.wav", np.linspace(0.01, 0.9, 3 * RATE), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "short.wav", -np.linspace(0.01, 0.9, RATE // 4), RATE, subtype="FLOAT")
    return tmp_path


@pytest.mark.parametrize("colour", ["white", "pink", "recorded"])
@pytest.mark.parametrize("snr_db", [-10.0, 5.0, 30.0])
def test_ratio_is_the_one_drawn_whatever_the_clip_s_level(colour, snr_db, folder):
    where = {"folder": str(folder)} if colour == "recorded" else {"colour": colour}
    clips = batch()
    noise = noise_of(AddNoise(snr_db, snr_db, p=1.0, **where), clips)
    measured = 10 * np.log10((clips.x.double().numpy() ** 2).sum(1) / (noise**2).sum(1))
    np.testing.assert_allclose(measured, snr_db, atol=0.1)


def test_ratio_is_uniform_in_db_and_p_the_share_of_noisy_clips():
    draw = AddNoise(0, 20, p=0.3).draw(batch(8_000, 1), np.random.default_rng(1))
    assert stats.kstest(draw.snr_db / 20, "uniform").pvalue > 0.01
    assert stats.binomtest(int(draw.noisy.sum()), 8_000, 0.3).pvalue > 0.01


@pytest.mark.parametrize(("colour", "per_octave_db"), [("white", 0.0), ("pink", -3.01)])
def test_colour_is_the_slope_of_the_spectrum(colour, per_octave_db):
    noise = noise_of(AddNoise(10, 10, colour, p=1.0), batch(1, 60 * RATE))[0]
    f_hz, power = welch(noise, RATE, nperseg=2_048)
    inside = (f_hz > 50) & (f_hz < 3_500)
    fitted = np.polyfit(np.log2(f_hz[inside]), 10 * np.log10(power[inside]), 1)
    assert fitted[0] == pytest.approx(per_octave_db, abs=0.1)
    assert np.abs(10 * np.log10(power[inside]) - np.polyval(fitted, np.log2(f_hz[inside]))).max() < 2


def test_made_noise_is_gaussian_and_each_clip_s_own():
    noise = noise_of(AddNoise(10, 10, p=1.0), batch(3))
    for row in noise:
        assert stats.kstest(row / row.std(), "norm").pvalue > 0.01
    assert np.abs(np.corrcoef(noise) - np.eye(3)).max() < 0.05


def test_noise_goes_by_the_clip_s_seed_alone():
    part, clips = AddNoise(), batch(3)
    draw = AddNoiseDraw(np.array([True, False, True]), np.full(3, 10.0), np.array([7, 8, 9]))
    made = part.apply(clips, draw).x
    assert torch.equal(made[1], clips.x[1])
    alone = Batch(x=clips.x[2:], target=clips.target[2:], sample_rate_hz=RATE)
    assert torch.equal(part.apply(alone, AddNoiseDraw(np.array([True]), np.array([10.0]), np.array([9]))).x, made[2:])


@pytest.mark.parametrize("colour", ["white", "pink"])
@pytest.mark.parametrize("n_samples", [1, 2, 97])
def test_silence_stays_and_short_clips_work(colour, n_samples):
    part, clips = AddNoise(colour=colour, p=1.0), batch(3, n_samples)
    assert np.isfinite(noise_of(part, clips)).all()
    silent = Batch(x=torch.zeros(3, n_samples), target=clips.target, sample_rate_hz=RATE)
    assert not noise_of(part, silent).any()


def test_excerpts_are_of_the_recordings_anywhere_and_repeated_where_short(folder):
    clips = batch(60)
    noise = noise_of(AddNoise(-60, -60, p=1.0, folder=str(folder)), clips)  # so loud that rounding is nothing
    starts = []
    for row in noise:
        steps = np.diff(row)
        if row[0] > 0:  # the long one: one ramp, no seam
            assert (steps > 0).all()
            starts.append(row[0] / np.median(steps))
        else:  # the short one, four times round
            seams = np.flatnonzero(steps > 0)
            assert np.diff(seams).tolist() in ([2_000] * 3, [2_000] * 2)
    assert 15 < len(starts) < 45
    assert max(starts) - min(starts) > RATE


def test_recordings_are_brought_to_the_clips_rate(tmp_path):
    time = np.arange(3 * 44_100) / 44_100
    soundfile.write(tmp_path / "tone.wav", 0.5 * np.sin(2 * np.pi * 1_000 * time), 44_100)
    noise = noise_of(AddNoise(0, 0, p=1.0, folder=str(tmp_path)), batch(1))[0]
    assert np.argmax(np.abs(np.fft.rfft(noise))) == 1_000  # 1 s: bins of 1 Hz


def test_silent_recording_adds_nothing(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    assert not noise_of(AddNoise(p=1.0, folder=str(tmp_path)), batch()).any()


def test_bad_settings_are_told(tmp_path):
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"colour": "blue"}, r"AddNoise has no colour 'blue'; it takes white, pink"),
        ({"low_snr_db": 40}, r"AddNoise.high_snr_db takes 40 to 100; 30.0 came"),
        ({"p": 2}, r"AddNoise.p takes 0 to 1; 2 came"),
        ({"folder": str(tmp_path)}, r"AddNoise.folder takes a folder of audio files .* holds none"),
        ({"folder": str(tmp_path / "no")}, r"AddNoise.folder takes a folder of audio files; .*no is none"),
    )
    for numbers, message in cases:
        with pytest.raises(SettingError, match=message):
            AddNoise(**numbers)
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    part = AddNoise(p=1.0, folder=str(tmp_path))
    with pytest.raises(AudioError, match=r"bad.wav"):
        part.apply(batch(), part.draw(batch(), np.random.default_rng(0)))
    with pytest.raises(SettingError, match=r"AddNoise needs Batch.sample_rate_hz"):
        part.draw(batch(rate=0), np.random.default_rng(0))
