"""fold: the same function in inference, without batch norm; the network it is given stays as it is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tinyscene.compress import ChannelAffine, fold
from tinyscene.models import DSMN
from tinyscene.nn import DSSC, FoldedDSSC

SEG, PLAIN = True, False


def randomised(network: nn.Module) -> nn.Module:
    """In eval, with batch norms that do something: statistics and weights far from 0 and 1."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.3, 3.0)[0] = 0.01  # so small that its epsilon matters
            if module.affine:
                nn.init.uniform_(module.weight, -1.5, 1.5)
                nn.init.normal_(module.bias)
    return network.eval()


def norms(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


CASES = {
    "DSMN, segmented": (lambda: DSMN(n_groups=3), (2, 2, 64, 44)),
    "DSMN, plain": (lambda: DSMN(widths=(4, 6), segmented=(PLAIN, SEG), stem=4, hidden=8), (3, 2, 17, 12)),
    "conv and norm": (lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU()), (2, 3, 8, 9)),
    "conv without bias": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, bias=False), nn.BatchNorm2d(4)),
        (2, 4, 8, 9),
    ),
    "conv over one axis": (lambda: nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5)), (2, 3, 8)),
    "norm before conv": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 5, 3)), (2, 3, 8, 9)),
    "lone norm of maps": (lambda: nn.BatchNorm2d(6), (2, 6, 4, 5)),
    "lone norm of vectors": (lambda: nn.BatchNorm1d(6), (3, 6)),
    "lone norm of sequences": (lambda: nn.BatchNorm1d(6), (3, 6, 6)),
    "norm without weights": (lambda: nn.BatchNorm2d(6, affine=False), (2, 6, 4, 5)),
    "norm inside": (lambda: nn.Sequential(nn.Sequential(nn.ReLU(), nn.BatchNorm1d(6)), nn.Linear(6, 2)), (3, 6)),
    "norm before linear": (lambda: nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 2, bias=False)), (3, 6)),
    "norm before padded conv": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 5, 3, padding=1)), (2, 3, 8, 9)),
    "block alone": (lambda: DSSC(8, 4), (2, 8, 9, 7)),
}


@pytest.mark.parametrize("name", CASES)
def test_folded_equals_inference(name):
    make, shape = CASES[name]
    network, x = randomised(make()), torch.randn(shape)
    assert norms(network)
    folded = fold(network)
    assert not norms(folded)
    assert not folded.training
    expected = network(x)
    assert torch.allclose(folded(x), expected, rtol=1e-5, atol=1e-5 * float(expected.detach().abs().max()))


@pytest.mark.parametrize("name", CASES)
def test_the_original_is_not_changed(name):
    make, shape = CASES[name]
    network, x = randomised(make()).train(), torch.randn(shape)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    kinds = [type(module) for module in network.modules()]
    folded = fold(network)
    with torch.no_grad():
        for parameter in folded.parameters():
            parameter.add_(1.0)
    folded(x)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert [type(module) for module in network.modules()] == kinds
    assert all(module.training for module in network.modules())


def test_a_norm_behind_a_convolution_leaves_nothing_else_becomes_an_affine_step():
    fused = fold(randomised(CASES["conv and norm"][0]()))
    assert [type(m) for m in fused] == [nn.Conv2d, nn.Identity, nn.ReLU]
    apart = fold(randomised(CASES["norm before conv"][0]()))
    assert [type(m) for m in apart] == [ChannelAffine, nn.Conv2d]
    assert isinstance(fold(randomised(nn.BatchNorm2d(3))), ChannelAffine)
    before = fold(randomised(CASES["norm before linear"][0]()))
    assert [type(m) for m in before] == [nn.Identity, nn.Linear]


def test_a_block_with_its_own_inference_form_takes_it_wherever_it_stands():
    assert isinstance(fold(DSSC(8, 4)), FoldedDSSC)
    assert not any(isinstance(module, DSSC) for module in fold(DSMN()).modules())
    assert sum(isinstance(module, FoldedDSSC) for module in fold(DSMN()).modules()) == 15
