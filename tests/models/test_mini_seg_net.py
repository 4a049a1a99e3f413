"""MiniSegNet: the totals that report 000 prints, its layers one by one, Keras' padding, odd sizes, bad settings."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d
from torch.utils.flop_counter import FlopCounterMode
from torchinfo import summary

from tinyscene.errors import SettingError
from tinyscene.evaluate import count_complexity
from tinyscene.models.mini_seg_net import MiniSegNet, SameConv2d

TEACHER = {}
FIRST = {"widths": (32, 72, 72, 64, 32), "hidden": 48, "stride": (8, 2)}
SECOND = {"widths": (32, 80, 80, 48, 16), "hidden": 192, "stride": (8, 2)}
THIRD = {"widths": (56, 64, 64, 64, 56), "hidden": 100, "stride": (8, 2)}
PUBLISHED = {  # settings, Keras total (report 000, section 2.2 and table 2), of torch, 10^6 products, macs
    "teacher, 474 k": (TEACHER, 474_122, 473_098, "1256.40", 1_258_762_506),
    "student 1, 120.21 k": (FIRST, 120_210, 119_650, "20.62", 20_688_842),
    "student 2, 127.16 k": (SECOND, 127_162, 126_586, "18.30", 18_368_746),
    "student 3, 126.07 k": (THIRD, 126_070, 125_558, "24.52", 24_620_822),
}
ROWS = (  # the teacher: parameters, output, products of each convolution at 256 x 36
    (1_216, (64, 256, 36), 10_616_832),
    (49_280, (128, 128, 18), 113_246_208),
    (98_432, (128, 128, 18), 226_492_416),
    (98_432, (128, 128, 18), 226_492_416),
    (98_432, (128, 128, 18), 226_492_416),
    (49_216, (64, 256, 36), 452_984_832),
)
SMALL = {"widths": (4, 6, 6, 6, 4), "hidden": 8}


@pytest.mark.parametrize("name", PUBLISHED)
def test_totals_are_the_published_ones(name):
    numbers, keras, parameters, products, macs = PUBLISHED[name]
    network, x = MiniSegNet(**numbers).eval(), torch.zeros(1, 3, 256, 36)
    counted, official = count_complexity(network, x, 1.0), summary(network, input_data=x, verbose=0)
    assert (counted["parameters_keras"], counted["parameters"], counted["macs"]) == (keras, parameters, macs)
    assert (official.total_params, official.total_mult_adds) == (parameters, macs)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x)
    assert f"{counter.get_total_flops() / 2e6:.2f}" == products
    assert name == "teacher, 474 k" or macs < 30e6


def test_layers_of_the_teacher_are_those_of_the_table():
    rows = []
    network = MiniSegNet().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda conv, _, y: rows.append(
                    (
                        sum(p.numel() for p in conv.parameters()),
                        tuple(y.shape[1:]),
                        conv.weight.numel() * y[0, 0].numel(),
                    )
                )
            )
    with torch.no_grad():
        network(torch.zeros(1, 3, 256, 36))
    assert tuple(rows) == ROWS
    assert [sum(p.numel() for p in layer.parameters()) for layer in network.head] == [66_560, 0, 0, 10_250]


@pytest.mark.parametrize(("norm", "keras"), [("mixup", 474_122), ("instance", 474_122), ("batch", 474_378)])
def test_outer_norms_can_be_chosen(norm, keras):
    counted = count_complexity(MiniSegNet(norm=norm), torch.zeros(1, 3, 4, 4), 1.0)
    assert (counted["parameters"], counted["parameters_keras"]) == (473_098, keras)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_padding_is_that_of_torch_where_torch_has_it():
    """torch's "same" (no stride) puts the odd cell at the end as Keras does."""
    torch.manual_seed(0)
    layer, x = SameConv2d(3, 4, (2, 3)), torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(layer(x), conv2d(x, layer.weight, layer.bias, padding="same"))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "first"),
    [  # tensorflow: max(0, (ceil(size / stride) - 1) * stride + kernel - size) cells in all, the smaller half before
        (9, 3, 2, -1),
        (8, 3, 2, 0),
        (36, 3, 2, 0),
        (37, 3, 2, -1),
        (256, 2, 8, 0),
        (249, 2, 8, 0),
        (7, 4, 3, -1),
        (10, 5, 1, -2),
    ],
)
def test_padding_with_a_stride_is_that_of_keras(size, kernel, stride, first):
    """Each output is the sum of the cells from first + stride * index on, cells outside are 0."""
    layer, x = SameConv2d(1, 1, (1, kernel), (1, stride), bias=False), torch.randn(size)
    nn.init.ones_(layer.weight)
    made = layer(x.view(1, 1, 1, -1)).flatten()
    starts = range(first, first + stride * -(-size // stride), stride)
    expected = torch.stack([x[max(0, start) : start + kernel].sum() for start in starts])
    torch.testing.assert_close(made, expected)
    layer = SameConv2d(1, 1, (kernel, 1), (stride, 1), bias=False)  # and along the other axis
    nn.init.ones_(layer.weight)
    torch.testing.assert_close(layer(x.view(1, 1, -1, 1)).flatten(), expected)


@pytest.mark.parametrize(("stride", "least"), [((1, 1), (4, 4)), ((8, 2), (25, 7)), ((2, 3), (7, 10))])
def test_every_size_from_the_least_on_is_taken_and_none_below(stride, least):
    network = MiniSegNet(**SMALL, stride=stride).eval()
    for bands, frames in ((0, 0), (1, 3), (2, 1), (3, 2)):
        logits = network(torch.randn(2, 3, least[0] + bands, least[1] + frames))
        assert logits.shape == (2, 10)
        assert logits.isfinite().all()
    for shape in ((least[0] - 1, 40), (40, least[1] - 1)):
        with pytest.raises(SettingError) as caught:
            network(torch.zeros(1, 3, *shape))
        assert str(caught.value) == (
            f"MiniSegNet takes {least[0]} or more bands and {least[1]} or more frames, behind its stride of {stride} "
            f"it halves both twice; {shape[0]} bands and {shape[1]} frames came."
        )


def test_chance_acts_in_training_only():
    torch.manual_seed(0)
    network, x = MiniSegNet(**SMALL, dropout=0.0), torch.randn(4, 3, 8, 8)
    assert not torch.equal(network(x), network(x)), "the mixup norm draws no share"
    calm = MiniSegNet(**SMALL, norm="instance", dropout=0.0)
    assert torch.equal(calm(x), calm(x))
    dropping = MiniSegNet(**SMALL, norm="instance", dropout=0.5)
    assert not torch.equal(dropping(x), dropping(x))


def test_first_and_last_convolution_forget_a_clips_level_with_instance_norm():
    """What the first layer makes of a clip times 3 is the same, but for the padded edges' share."""
    x = torch.randn(2, 3, 16, 16)
    for norm, same in (("instance", True), ("mixup", False), ("batch", False)):
        layers = MiniSegNet(**SMALL, norm=norm).eval().encoder[0]
        assert torch.allclose(layers(3 * x), layers(x), atol=1e-3) == same


@pytest.mark.parametrize(("n_classes", "in_channels"), [(2, 1), (50, 6)])
def test_any_number_of_classes_and_channels(n_classes, in_channels):
    made = MiniSegNet(n_classes, in_channels, **SMALL)(torch.randn(2, in_channels, 8, 8))
    assert made.shape == (2, n_classes)


WIDTHS = "MiniSegNet.widths takes five numbers from 1, for E1, E2, D1a, D1b and D2; "
STRIDE = "MiniSegNet.stride takes two numbers from 1, band and frame; "


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"widths": (4, 4, 4, 4)}, f"{WIDTHS}(4, 4, 4, 4) came."),
        ({"widths": (4, 4, 0, 4, 4)}, f"{WIDTHS}(4, 4, 0, 4, 4) came."),
        ({"stride": (2,)}, f"{STRIDE}(2,) came."),
        ({"stride": (0, 2)}, f"{STRIDE}(0, 2) came."),
        (
            {"norm": "mixupp"},
            "MiniSegNet has no norm 'mixupp'; it takes mixup, instance, batch. Did you mean 'mixup'?",
        ),
        ({"n_classes": 1}, "MiniSegNet.n_classes takes 2 or more; 1 came."),
        ({"in_channels": 0}, "MiniSegNet.in_channels takes 1 or more; 0 came."),
        ({"hidden": 0}, "MiniSegNet.hidden takes 1 or more; 0 came."),
        ({"dropout": 1.5}, "MiniSegNet.dropout takes 0 to 1; 1.5 came."),
    ],
)
def test_a_setting_out_of_range_is_told_by_its_name(changes, text):
    with pytest.raises(SettingError) as caught:
        MiniSegNet(**(SMALL | changes))
    assert str(caught.value) == text
