"""Dcase2022Baseline: every count that is published for it, its layers, its sizes, bad settings."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchinfo import summary

from tinyscene.compress import fold
from tinyscene.errors import SettingError
from tinyscene.evaluate import count_complexity
from tinyscene.models.dcase2022_baseline import Dcase2022Baseline

X = torch.zeros(1, 1, 40, 51)
SMALL = {"widths": (4, 4, 6), "hidden": 8}


def test_totals_of_torch_and_keras():
    counted, official = count_complexity(Dcase2022Baseline(), X, 1.0), summary(Dcase2022Baseline(), X.shape, verbose=0)
    assert (counted["parameters"], counted["parameters_keras"], counted["macs"]) == (46_118, 46_246, 29_271_638)
    assert (official.total_params, official.total_mult_adds) == (46_118, 29_271_638)


def test_folded_it_has_the_parameters_and_bytes_of_the_published_file():
    network = Dcase2022Baseline()
    folded = fold(network)
    counted = count_complexity(folded, X, 1.0, int8_form=folded)
    assert (counted["parameters"], counted["bytes"]) == (45_990, 46_512)


def test_macs_of_the_published_file_are_those_of_its_operators():
    """The official counter on the int8 file: products, pools by window, linear layers by the last axis of the input."""
    network, pools, flattened = Dcase2022Baseline().eval(), [], []
    for module in network.modules():
        if isinstance(module, nn.MaxPool2d):
            module.register_forward_hook(
                lambda pool, _, y: pools.append(y[0].numel() * pool.kernel_size[0] * pool.kernel_size[1])
            )
        elif isinstance(module, nn.Flatten):
            module.register_forward_hook(lambda _, inputs, y: flattened.append(y.shape[1] - inputs[0].shape[1]))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(X)
    products = counter.get_total_flops() // 2
    assert products == 29_203_560
    assert products + sum(pools) - flattened[0] * 100 == 29_234_920


def test_layers_are_those_of_the_table():
    network = Dcase2022Baseline()
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert [sum(p.numel() for p in layer.parameters()) for layer in layers] == [800, 12_560, 25_120, 6_500, 1_010]
    names = [type(layer).__name__ for layer in network.layers]
    layer, pool = ["Conv2d", "BatchNorm2d", "ReLU"], ["MaxPool2d", "Dropout"]
    assert names == [*layer, *layer, *pool, *layer, *pool]
    assert [tuple(m.kernel_size) for m in network.layers if isinstance(m, nn.MaxPool2d)] == [(5, 5), (4, 10)]


@pytest.mark.parametrize(("n_bands", "n_frames"), [(40, 50), (59, 99), (47, 51)])
def test_sizes_that_pool_to_the_same_map_are_taken(n_bands, n_frames):
    assert Dcase2022Baseline(**SMALL).eval()(torch.randn(2, 1, n_bands, n_frames)).shape == (2, 10)


@pytest.mark.parametrize(("n_bands", "n_frames"), [(39, 51), (60, 51), (40, 49), (40, 100)])
def test_others_are_refused(n_bands, n_frames):
    with pytest.raises(SettingError) as caught:
        Dcase2022Baseline(**SMALL)(torch.zeros(1, 1, n_bands, n_frames))
    assert str(caught.value) == (
        "Dcase2022Baseline takes 40 to 59 bands and 50 to 99 frames with these n_bands and n_frames; "
        f"{n_bands} bands and {n_frames} frames came. Make it with their numbers."
    )
    made = Dcase2022Baseline(3, 2, **SMALL, n_bands=max(20, n_bands), n_frames=max(50, n_frames))
    assert made(torch.zeros(2, 2, max(20, n_bands), max(50, n_frames))).shape == (2, 3)


def test_weights_start_as_the_organisers_do():
    torch.manual_seed(0)
    network = Dcase2022Baseline()
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    for conv in convs:
        limit = (6 / (49 * (conv.in_channels + conv.out_channels))) ** 0.5
        assert 0.95 * limit < conv.weight.abs().max() <= limit
    for layer in (m for m in network.head if isinstance(m, nn.Linear)):
        assert 0.045 < layer.weight.abs().max() <= 0.05
        assert layer.bias.count_nonzero() == 0


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    network, x = Dcase2022Baseline(), torch.randn(2, 1, 40, 51)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"widths": (4, 4)}, "widths takes three numbers from 1; (4, 4) came."),
        ({"widths": (4, 4, 0)}, "widths takes three numbers from 1; (4, 4, 0) came."),
        ({"n_classes": 1}, "n_classes takes 2 or more; 1 came."),
        ({"in_channels": 0}, "in_channels takes 1 or more; 0 came."),
        ({"hidden": 0}, "hidden takes 1 or more; 0 came."),
        ({"dropout": -0.1}, "dropout takes 0 to 1; -0.1 came."),
        ({"n_bands": 19}, "n_bands takes 20 or more; 19 came."),
        ({"n_frames": 49}, "n_frames takes 50 or more; 49 came."),
    ],
)
def test_a_setting_out_of_range_is_told_by_its_name(changes, text):
    with pytest.raises(SettingError) as caught:
        Dcase2022Baseline(**(SMALL | changes))
    assert str(caught.value) == f"Dcase2022Baseline.{text}"
