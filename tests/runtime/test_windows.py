"""The windows of a clip: each sample is heard, each window is full."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyscene.errors import SettingError
from tinyscene.runtime import cut_windows, fill_window, window_starts
from tinyscene.runtime.windows import windows_of_blocks


def test_ten_seconds_are_ten_windows():
    assert window_starts(10, 1) == list(range(10))


def test_tail_gets_a_window_aligned_to_the_end():
    assert window_starts(25, 10) == [0, 10, 15]


def test_overlapping_windows_start_every_hop():
    assert window_starts(10, 4, 2) == [0, 2, 4, 6]


def test_short_clip_is_one_window_repeated():
    assert window_starts(3, 10) == [0]
    assert cut_windows(np.array([1, 2, 3]), 7).tolist() == [[1, 2, 3, 1, 2, 3, 1]]


def test_gap_between_windows_is_kept_when_the_hop_is_longer():
    assert window_starts(100, 10, 50) == [0, 50]


@given(st.integers(1, 500), st.integers(1, 100), st.integers(1, 100))
def test_every_sample_is_in_a_window_and_every_window_in_the_clip(n_samples, window, hop):
    hop = min(hop, window)
    starts = window_starts(n_samples, window, hop)
    covered = np.zeros(max(n_samples, window), dtype=bool)
    for start in starts:
        covered[start : start + window] = True
    assert covered.all()
    assert starts == sorted(set(starts))
    windows = cut_windows(np.arange(n_samples), window, hop)
    assert windows.shape == (len(starts), window)
    if n_samples >= window:
        assert windows[:, 0].tolist() == starts


def test_long_enough_waveform_is_not_copied():
    waveform = np.zeros((2, 8))
    assert fill_window(waveform, 8) is waveform


@pytest.mark.parametrize("hop", [0, -1])
def test_hop_below_one_sample_is_refused(hop):
    with pytest.raises(SettingError, match=f"hop takes 1 sample or more; {hop} came"):
        window_starts(10, 5, hop)


@given(
    data=st.data(),
    n_samples=st.integers(1, 400),
    window=st.integers(1, 90),
    hop=st.one_of(st.none(), st.integers(1, 200)),
)
def test_windows_of_blocks_are_those_of_the_whole(data, n_samples, window, hop):
    sound = np.arange(n_samples, dtype=np.float32)
    cuts = sorted(data.draw(st.lists(st.integers(0, n_samples), max_size=20)))
    found = [part.copy() for part in windows_of_blocks(np.split(sound, cuts), window, hop)]
    assert np.array_equal(np.stack(found), cut_windows(sound, window, hop))
