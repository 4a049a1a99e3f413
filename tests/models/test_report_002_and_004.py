"""AMFM, ResNetSE and CNN6CA: the published counts, part by part as architectures were read, and their errors."""

from __future__ import annotations

import pytest
import torch
import torchinfo
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tinyscene.errors import SettingError
from tinyscene.evaluate import count_complexity
from tinyscene.models import AMFM, CNN6CA, ResNetSE


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("network", "shape", "parameters", "macs", "products_m"),
    [
        (AMFM(), (1, 384, 251), 65_424, 558_433_622, 558.43),
        (AMFM(n_groups=3), (1, 384, 251), 77_572, 561_571_865, 561.57),
        (ResNetSE(), (3, 128, 251), 63_547, 440_294_083, 439.78),
        (CNN6CA(), (1, 256, 44), 75_562, 46_018_138, 45.96),
        (CNN6CA(), (1, 256, 29), 75_562, 29_587_122, 29.53),
    ],
    ids=["AMFM", "AMFM with groups", "ResNetSE", "CNN6CA", "CNN6CA at 29 frames"],
)
def test_totals_are_the_published_ones(network, shape, parameters, macs, products_m):
    features = torch.zeros(1, *shape)
    counted = count_complexity(network, features, 1.0)
    assert (counted["parameters"], counted["macs"]) == (parameters, macs)
    summary = torchinfo.summary(network, input_data=features, verbose=0)
    assert summary.total_params == parameters
    with FlopCounterMode(display=False) as flops:
        network.eval()(features)
    assert flops.get_total_flops() / 2e6 == pytest.approx(products_m, abs=0.01)


def test_amfm_part_by_part():
    """The table of the reading: stem, blocks with the norms between, branch, head."""
    network = AMFM(n_groups=3)
    assert [size(part) for part in network.shared] == [432, 15_238 + 64, 20_742, 16_045 + 48]
    assert size(network.scenes.block) == 8_213 + 32
    assert size(network.scenes.head) == 3_400 + 200 + 1_010
    assert network.groups is not None
    assert size(network.groups) == 12_148


def test_amfm_without_its_groups_says_the_same_of_scenes():
    torch.manual_seed(0)
    network, x = AMFM(n_groups=3).eval(), torch.randn(2, 1, 40, 40)
    lone = network.without_groups()
    assert size(lone) == 65_424
    assert not lone.training
    with torch.no_grad():
        torch.testing.assert_close(lone(x), network(x)[:, :10])


def test_resnet_se_part_by_part():
    network = ResNetSE()
    assert size(network.stem) == 4_800
    stages = [sum(size(block) for block in network.stages[i : i + 2]) for i in range(0, 8, 2)]
    assert stages == [18_724, 9_510, 13_054, 17_096]
    assert size(network.attention) + size(network.head) == 363
    assert sum(isinstance(m, nn.Conv2d) and m.kernel_size[0] > 1 for m in network.modules()) == 17


def test_cnn6_ca_part_by_part():
    network = CNN6CA()
    assert size(network.bands) == 512
    assert [size(layer) for layer in network.layers] == [
        64 + 192 + 192 + 256 + 1_688,
        8_192 + 768 + 512 + 3_352,
        16_384 + 768 + 512 + 3_352,
        16_384 + 768 + 512 + 3_352,
    ]
    assert size(network.head) == 16_512 + 1_290


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AMFM(filters=(24, 32)), r"AMFM\.filters takes five numbers"),
        (lambda: AMFM(n_classes=1), r"AMFM\.n_classes takes 2 or more"),
        (lambda: ResNetSE(widths=(16, 23, 28, 32)), r"ResNetSE\.widths takes four even numbers"),
        (lambda: ResNetSE(blocks=0), r"ResNetSE\.blocks takes 1 or more"),
        (lambda: CNN6CA(n_mels=8), r"CNN6CA\.n_mels takes 16 or more"),
        (lambda: CNN6CA()(torch.zeros(1, 1, 128, 44)), r"CNN6CA takes features \(batch, 1, 256, frame\) of 16 frames"),
        (lambda: CNN6CA()(torch.zeros(1, 1, 256, 9)), r"of 16 frames or more; \(1, 1, 256, 9\) came"),
    ],
)
def test_bad_settings_name_the_field(make, words):
    with pytest.raises(SettingError, match=words):
        make()
