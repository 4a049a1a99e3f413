"""Windows, frames and magnitudes on the device: scipy, torch, laws."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from tinyscene.errors import SettingError
from tinyscene.runtime.frames import framed, magnitudes, mirrored, periodic_window, real_fft

CLIP = np.random.default_rng(0).normal(0, 0.1, 1_000).astype(np.float32)


@pytest.mark.parametrize("name", ["hann", "hamming"])
@pytest.mark.parametrize("length", [1, 2, 101, 2_048])
def test_window_equals_scipys_periodic_one(name, length):
    if length > 1:  # scipy makes 1 of a window of one sample
        assert np.abs(periodic_window("A", name, length) - scipy.signal.get_window(name, length)).max() < 1e-15


def test_unknown_window_is_told():
    with pytest.raises(
        SettingError, match=r"LogMel has no window 'hanning'; it takes hann, hamming. Did you mean 'hann'"
    ):
        periodic_window("LogMel", "hanning", 4)


def test_frames_are_the_samples_they_name():
    frames = framed(CLIP, 100, 37, start=5)
    assert np.array_equal(frames, [CLIP[i : i + 100] for i in range(5, 901, 37)])
    assert len(framed(CLIP, 100, 900)) == 2
    assert np.array_equal(framed(CLIP[::2], 100, 37), [CLIP[::2][i : i + 100] for i in range(0, 401, 37)])


def test_no_frame_reaches_beyond_the_clip():
    with pytest.raises((ValueError, TypeError)):
        framed(CLIP, 100, 37, n_frames=26)


def test_mirror_leaves_out_the_end_itself():
    assert np.array_equal(mirrored(CLIP, 300), np.pad(CLIP, 300, mode="reflect"))


@pytest.mark.parametrize("quick_start", [False, True])
def test_magnitudes_come_in_order_and_equal_float64(quick_start):
    frames, window = framed(CLIP, 64, 6), periodic_window("A", "hann", 64).astype(np.float32)
    blocks = list(magnitudes(frames, window, 128, real_fft(quick_start)))
    assert [i for block, _ in blocks for i in range(*block.indices(10**6))] == list(range(len(frames)))
    made = np.concatenate([spectrum for _, spectrum in blocks])
    expected = np.abs(np.fft.rfft(frames.astype(np.float64) * window, 128))
    assert (made.dtype, made.shape) == (np.float32, (157, 65))
    assert np.abs(made - expected).max() < 1e-6 * expected.max()
