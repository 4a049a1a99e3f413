"""Levels by their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinyscene.dsp import level

POWER = np.array([0.0, 1e-12, 1e-3, 1.0, 1e4])


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("log10", [-6.0, -5.99999957, np.log10(1.001e-3), np.log10(1.000001), 4.0]),
        ("ln", [np.log(1e-6), np.log(1.000001e-6), np.log(1.001e-3), np.log(1.000001), np.log(1e4)]),
        ("db", [-60.0, -60.0, -30.0, 0.0, 40.0]),
    ],
)
def test_level_has_its_formula(log, expected):
    assert np.allclose(level(torch.from_numpy(POWER), log, 1e-6).numpy(), expected, atol=1e-7)
