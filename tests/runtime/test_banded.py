"""The blocks of a filter bank: nothing is lost, little is multiplied."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyscene.runtime import mel_filterbank
from tinyscene.runtime.banded import banded


@given(st.integers(1, 40), st.integers(1, 60), st.floats(0, 1), st.integers(0, 10_000))
def test_blocks_hold_every_weight_once(n_bands, n_bins, share, seed):
    rng = np.random.default_rng(seed)
    bank = rng.normal(size=(n_bands, n_bins)) * (rng.random((n_bands, n_bins)) < share**4)
    spectrum = rng.normal(size=(n_bins, 3))
    parts = [bank[bands, bins] @ spectrum[bins] for bands, bins in banded(bank)]
    np.testing.assert_allclose(np.concatenate(parts), bank @ spectrum, atol=1e-12)


def test_a_bank_without_zeros_is_one_block():
    assert banded(np.ones((128, 2_049))) == [(slice(0, 128), slice(0, 2_049))]


@pytest.mark.parametrize(("n_fft", "n_mels", "share"), [(2_048, 256, 0.1), (4_096, 256, 0.1), (2_048, 40, 0.25)])
def test_a_mel_bank_becomes_few_small_blocks(n_fft, n_mels, share):
    bank = mel_filterbank(44_100, n_fft, n_mels, 0, 22_050)
    blocks = banded(bank)
    assert len(blocks) <= 16
    assert sum(bank[block].size for block in blocks) < share * bank.size
