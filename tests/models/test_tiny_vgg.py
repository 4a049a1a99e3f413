"""TinyVGG: counts by hand and by torchinfo, rows that are told apart, any length, bad settings."""

from __future__ import annotations

import pytest
import torch
from torchinfo import summary

from tinyscene.errors import SettingError
from tinyscene.evaluate import count_complexity
from tinyscene.models import TinyVGG

SMALL = {"n_bands": 32, "widths": (4, 4, 6, 6, 8)}


def test_parameters_by_hand():
    widths, channels = (16, 32, 48, 64, 64), (1, 16, 32, 48, 64)
    convolutions = sum(9 * i * o + 2 * o for i, o in zip(channels, widths, strict=True))  # a norm's weight and bias
    rows, head = 64 * 8 + 64, 128 * 10 + 10
    assert sum(p.numel() for p in TinyVGG().parameters()) == convolutions + rows + head == 85_402


def test_macs_are_those_of_torchinfo_and_below_30_million_a_second():
    network, x = TinyVGG().eval(), torch.zeros(1, 1, 128, 76)
    counted = count_complexity(network, x, 1.5)
    assert counted["macs"] == summary(network, input_data=x, verbose=0).total_mult_adds
    assert counted["macs_per_s"] < 30e6


def test_it_tells_rows_apart_and_not_the_time_a_sound_comes_at():
    torch.manual_seed(0)
    network = TinyVGG(**SMALL).eval()
    torch.nn.init.normal_(network.rows.weight)
    low, high = torch.zeros(1, 1, 32, 96), torch.zeros(1, 1, 32, 96)
    low[:, :, 4:8, 32:48] = high[:, :, 20:24, 32:48] = 3.0
    with torch.no_grad():
        assert (network(low) - network(high)).abs().max() > 1e-3
        torch.testing.assert_close(network(low), network(low.roll(16, 3)))


def test_features_of_any_length():
    network = TinyVGG(**SMALL).eval()
    with torch.no_grad():
        assert [network(torch.randn(2, 1, 32, n)).shape for n in (16, 75, 251)] == [(2, 10)] * 3


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"widths": (1, 2)}, r"TinyVGG.widths takes five numbers from 1; \(1, 2\) came"),
        ({"n_bands": 40}, "TinyVGG.n_bands takes a multiple of 16; 40 came"),
        ({"n_classes": 1}, "TinyVGG.n_classes"),
        ({"in_channels": 0}, "TinyVGG.in_channels"),
        ({"dropout": 2}, "TinyVGG.dropout takes 0 to 1"),
    ],
)
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=words):
        TinyVGG(**setting)


@pytest.mark.parametrize("shape", [(2, 1, 64, 75), (2, 1, 32, 15)])
def test_maps_that_do_not_fit_are_told(shape):
    with pytest.raises(SettingError, match="TinyVGG takes 32 bands and 16 frames or more"):
        TinyVGG(**SMALL)(torch.zeros(shape))
