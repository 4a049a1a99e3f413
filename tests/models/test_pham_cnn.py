"""PhamCNN: the sizes and kilobytes that report 003 prints, both readings of its table 2, bad settings."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchinfo import summary

from tinyscene.errors import SettingError
from tinyscene.evaluate import count_complexity
from tinyscene.models.pham_cnn import PhamCNN

SMALL = {"widths": (4, 6, 6, 8)}


@pytest.mark.parametrize(
    ("literal", "keras", "parameters", "macs"),
    [(False, 62_855, 61_893, 165_439_173), (True, 63_751, 62_341, 165_439_621)],
)
def test_totals(literal, keras, parameters, macs):
    network, x = PhamCNN(literal=literal).eval(), torch.zeros(1, 1, 128, 428)
    counted, official = count_complexity(network, x, 10.0), summary(network, input_data=x, verbose=0)
    assert (counted["parameters_keras"], counted["parameters"], counted["macs"]) == (keras, parameters, macs)
    assert (official.total_params, official.total_mult_adds) == (parameters, macs)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x)
    assert f"{counter.get_total_flops() / 2e6:.2f}" == "162.97"  # products alone, no biases and no norms


def test_kilobytes_are_those_of_table_3():
    keras = count_complexity(PhamCNN(), torch.zeros(1, 1, 128, 428), 10.0)["parameters_keras"]
    assert round(4 * keras / 1024, 1) == 245.5
    assert round(2 * keras / 1024, 1) == 122.8  # half of the weights pruned


def test_blocks_are_those_of_table_2():
    network, x = PhamCNN().eval(), torch.zeros(1, 1, 128, 428)
    sizes = []
    with torch.no_grad():
        for block in network.blocks:
            x = block(x)
            sizes.append(tuple(x.shape[1:]))
    assert sizes == [(32, 64, 107), (64, 32, 54), (128, 16, 13), (256, 16, 13)]
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert [sum(p.numel() for p in layer.parameters()) for layer in layers] == [320, 18_496, 8_320, 33_024, 771]


def test_order_of_the_layers():
    once = ["Conv2d", "ReLU", "BatchNorm2d", "MaxPool2d", "Dropout"]
    for literal in (False, True):
        blocks = PhamCNN(literal=literal).blocks
        names = [[type(layer).__name__ for layer in block] for block in blocks]
        before = ["BatchNorm2d"] if literal else []
        assert names == [["BatchNorm2d", *once], [*before, *once], [*before, *once], [*before, *once[:3]]]
    dropouts = [m.p for m in PhamCNN(dropouts=(0.1, 0.2, 0.3, 0.4)).modules() if isinstance(m, nn.Dropout)]
    assert dropouts == [0.1, 0.2, 0.3, 0.4]


def test_the_last_pool_takes_the_largest_of_the_whole_map():
    network = PhamCNN(**SMALL).eval()
    x = torch.randn(2, 1, 32, 64)
    torch.testing.assert_close(network(x), network.head(network.blocks(x).amax((2, 3))))


@pytest.mark.parametrize(("n_bands", "n_frames"), [(6, 28), (7, 29), (9, 31), (64, 430), (40, 51)])
def test_every_size_from_6_bands_and_28_frames_on_is_taken(n_bands, n_frames):
    logits = PhamCNN(n_classes=10, in_channels=2, **SMALL).eval()(torch.randn(2, 2, n_bands, n_frames))
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()


@pytest.mark.parametrize(("n_bands", "n_frames"), [(5, 428), (128, 27)])
def test_smaller_ones_are_refused(n_bands, n_frames):
    with pytest.raises(SettingError) as caught:
        PhamCNN(**SMALL)(torch.zeros(1, 1, n_bands, n_frames))
    assert str(caught.value) == (
        "PhamCNN takes 6 or more bands and 28 or more frames, its pools leave nothing of fewer; "
        f"{n_bands} bands and {n_frames} frames came."
    )


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    network, x = PhamCNN(), torch.randn(2, 1, 32, 32)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


DROPOUTS = "PhamCNN.dropouts takes four numbers from 0 to 1; "


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"widths": (4, 4, 4)}, "PhamCNN.widths takes four numbers from 1; (4, 4, 4) came."),
        ({"widths": (4, 4, 4, 0)}, "PhamCNN.widths takes four numbers from 1; (4, 4, 4, 0) came."),
        ({"dropouts": (0.1,)}, f"{DROPOUTS}(0.1,) came."),
        ({"dropouts": (0.1, 0.1, 0.1, 2)}, f"{DROPOUTS}(0.1, 0.1, 0.1, 2) came."),
        ({"n_classes": 1}, "PhamCNN.n_classes takes 2 or more; 1 came."),
        ({"in_channels": 0}, "PhamCNN.in_channels takes 1 or more; 0 came."),
    ],
)
def test_a_setting_out_of_range_is_told_by_its_name(changes, text):
    with pytest.raises(SettingError) as caught:
        PhamCNN(**(SMALL | changes))
    assert str(caught.value) == text
