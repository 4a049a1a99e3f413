"""CPMobile: the published counts, part by part; widths; shortcuts; bad settings."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d
from torchinfo import summary

from tinyscene.errors import SettingError
from tinyscene.evaluate import count_complexity
from tinyscene.models.cp_mobile import CPMobile, InvertedBottleneck

X = torch.zeros(1, 1, 256, 65)
EXPAND, DEPTH = (2_176, 2_228_352), (704, 626_816)
ROWS = (  # parameters and macs of each convolution with its batch norm
    *((88, 304_144), (2_368, 2_506_816)),
    *(EXPAND, DEPTH, (2_112, 2_228_288)),
    *(EXPAND, DEPTH, (2_112, 2_228_288)),
    *(EXPAND, (704, 331_904), (2_112, 1_179_712)),
    *((2_176, 1_179_776), (704, 166_016), (3_696, 1_032_304)),
    *((6_960, 1_935_600), (1_320, 311_280), (6_832, 1_935_472)),
    *((6_960, 1_935_600), (1_320, 311_280), (12_688, 3_594_448)),
    (1_060, 299_540),
)
SMALL = {"base_channels": 8, "n_blocks": (2, 1), "strides": ((1, 1), (1, 2), (2, 1))}


def test_totals_are_the_published_ones():
    counted, official = count_complexity(CPMobile(), X, 1.0), summary(CPMobile(), X.shape, verbose=0)
    assert (counted["parameters"], counted["macs"]) == (61_148, 29_419_156)
    assert (official.total_params, official.total_mult_adds) == (61_148, 29_419_156)
    assert counted["parameters"] * 2 == 122_296  # the published bytes, in float16


def test_every_part_has_the_published_counts():
    network, rows = CPMobile().eval(), []

    def count(module: nn.Module, _: object, y: torch.Tensor) -> None:
        own = sum(p.numel() for p in module.parameters())
        if isinstance(module, nn.Conv2d):
            rows.append((own, own * y[0, 0].numel()))
        else:  # a batch norm counts with its convolution, its weights once
            rows[-1] = (rows[-1][0] + own, rows[-1][1] + own)

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d)):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(X)
    assert tuple(rows) == ROWS


def test_sizes_are_those_of_the_table():
    network, sizes = CPMobile().eval(), []
    with torch.no_grad():
        x = network.stem(X)
        for block in network.blocks:
            sizes.append(tuple(x.shape[1:]))
            x = block(x)
    assert sizes == [(32, 64, 17)] * 3 + [(32, 64, 9), (56, 32, 9), (56, 32, 9)]
    assert x.shape == (1, 104, 32, 9)


@pytest.mark.parametrize(
    ("base", "multiplier", "expansion", "inner", "outer"),
    [
        (32, 1.8, 2.1, [64, 64, 64, 64, 120, 120], [32, 32, 32, 56, 56, 104]),
        (32, 2.3, 3.0, [96, 96, 96, 96, 216, 216], [32, 32, 32, 72, 72, 168]),  # the original, 2023
        (8, 1.0, 1.0, [8] * 6, [8] * 6),
        (24, 1.5, 2.0, [48, 48, 48, 48, 80, 80], [24, 24, 24, 40, 40, 56]),
        (12, 1.0, 1.1, [16] * 6, [16] * 6),  # 12 is half way, 17.6 loses less than a tenth
        (8, 1.0, 1.4, [16] * 6, [8] * 6),  # 11.2 to 8 would lose more
    ],
)
def test_widths_are_multiples_of_eight(base, multiplier, expansion, inner, outer):
    network = CPMobile(base_channels=base, channels_multiplier=multiplier, expansion_rate=expansion)
    convs = [[m for m in block.modules() if isinstance(m, nn.Conv2d)] for block in network.blocks]
    assert [block[0].out_channels for block in convs] == inner
    assert [block[2].out_channels for block in convs] == outer


@pytest.mark.parametrize("stride", [(1, 1), (1, 2), (2, 1)])
def test_a_silenced_block_is_its_shortcut(stride):
    block, x = InvertedBottleneck(8, 8, 2.0, stride).eval(), torch.randn(2, 8, 7, 6)
    nn.init.zeros_(block.layers[-1].weight)
    expected = x if stride == (1, 1) else avg_pool2d(x, 3, stride, padding=1)
    torch.testing.assert_close(block(x), expected.relu())
    wider = InvertedBottleneck(8, 16, 2.0, stride).eval()
    nn.init.zeros_(wider.layers[-1].weight)
    assert wider(x).count_nonzero() == 0


def test_no_convolution_has_a_bias_and_each_has_its_norm():
    modules = [m for m in CPMobile().modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    assert [type(m) for m in modules] == [nn.Conv2d, nn.BatchNorm2d] * (len(modules) // 2)
    assert all(m.bias is None for m in modules if isinstance(m, nn.Conv2d))


def test_the_head_is_linear_in_its_map():
    """Logits are the mean of what the 1x1 convolution says everywhere: no ReLU, they can be negative."""
    torch.manual_seed(0)
    assert CPMobile(**SMALL).eval()(torch.randn(8, 1, 32, 32)).min() < 0


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (256, 44), (37, 65)])
def test_any_size_is_taken(shape):
    logits = CPMobile(7, 2, **SMALL).eval()(torch.randn(2, 2, *shape))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"n_classes": 1}, "n_classes takes 2 or more; 1 came."),
        ({"in_channels": 0}, "in_channels takes 1 or more; 0 came."),
        ({"base_channels": 7}, "base_channels takes 8 or more; 7 came."),
        ({"channels_multiplier": 0.9}, "channels_multiplier takes 1 or more; 0.9 came."),
        ({"expansion_rate": 0}, "expansion_rate takes 1 or more; 0 came."),
        ({"n_blocks": ()}, "n_blocks takes one or more numbers from 1; () came."),
        ({"n_blocks": (3, 0)}, "n_blocks takes one or more numbers from 1; (3, 0) came."),
        ({"n_blocks": (3, 1)}, "strides takes one pair (band, frame) for each of the 4 blocks; 3 came."),
        (
            {"strides": ((1, 1), (0, 1), (1, 1))},
            "strides takes pairs of numbers from 1; ((1, 1), (0, 1), (1, 1)) came.",
        ),
        ({"strides": ((1, 1), (1,), (1, 1))}, "strides takes pairs of numbers from 1; ((1, 1), (1,), (1, 1)) came."),
    ],
)
def test_a_setting_out_of_range_is_told_by_its_name(changes, text):
    with pytest.raises(SettingError) as caught:
        CPMobile(**(SMALL | changes))
    assert str(caught.value) == f"CPMobile.{text}"
