"""DSSC: its parameter formula, its convolution written out, its folded form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tinyscene.errors import SettingError
from tinyscene.nn import DSSC

SIZES = [(8, 8), (8, 4), (12, 3)]


def randomised(block: DSSC) -> DSSC:
    """Batch-norm statistics and weights that are far from 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    norm = block.norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
        norm.running_var.copy_(0.2 + 3 * torch.rand(norm.running_var.shape, generator=generator))
    return block.eval()


@pytest.mark.parametrize(("i", "o"), [*SIZES, (64, 32)])
def test_parameters_follow_the_formula(i, o):
    assert sum(p.numel() for p in DSSC(i, o).parameters()) == o * (i // o) + 6 * o + 2 * o


@pytest.mark.parametrize(("i", "o"), SIZES)
@pytest.mark.parametrize("shape", [(10, 14), (5, 1), (1, 7)])
def test_folded_equals_the_block_in_eval(i, o, shape):
    torch.manual_seed(0)
    block = randomised(DSSC(i, o))
    x = torch.randn(2, i, *shape)
    expected = block(x)
    assert expected.shape == (2, o, *shape)
    assert expected.count_nonzero() > 0
    assert (block.folded()(x) - expected).abs().max() < 1e-5


def test_folded_has_two_convolutions_one_bias_and_no_norm():
    folded = DSSC(8, 4).folded()
    convolutions = [m for m in folded.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 2
    assert [c.bias is None for c in convolutions] == [False, True]
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())


def test_folding_leaves_the_block_as_it_was():
    block = randomised(DSSC(8, 4))
    before = {key: value.clone() for key, value in block.state_dict().items()}
    folded = block.folded()
    with torch.no_grad():
        for parameter in folded.parameters():
            parameter.zero_()
    assert all(torch.equal(value, before[key]) for key, value in block.state_dict().items())


def test_branches_reach_two_cells_along_their_own_axis():
    """Figure 3: 3x1 and 1x3 kernels, dilated by 2. An impulse with all weights 1 becomes a plus of five cells."""
    block = DSSC(1, 1).eval()
    for conv in (block.pointwise, block.band, block.frame):
        nn.init.ones_(conv.weight)
    impulse = torch.zeros(1, 1, 9, 9)
    impulse[0, 0, 4, 4] = 1
    plus = torch.zeros(9, 9)
    plus[[2, 6, 4, 4], [4, 4, 2, 6]] = 1
    plus[4, 4] = 2
    assert torch.allclose(block(impulse)[0, 0] * (1 + block.norm.eps) ** 0.5, plus)


@pytest.mark.parametrize(("i", "o"), [(8, 3), (4, 8), (4, 0)])
def test_outputs_that_do_not_divide_the_inputs_are_refused(i, o):
    with pytest.raises(SettingError) as caught:
        DSSC(i, o)
    assert str(caught.value) == f"DSSC.out_channels takes a divisor of in_channels ({i}); {o} came."
