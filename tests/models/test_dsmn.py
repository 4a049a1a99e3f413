"""DSMN: the counts of report 001's table 3, gradients, odd sizes, other heads, bad settings."""

from __future__ import annotations

import pytest
import torch
from torchinfo import summary

from tinyscene.errors import SettingError
from tinyscene.models import DSMN

SEG, PLAIN = True, False
PUBLISHED = {  # report 001, table 3; the counts to the last digit are those of the authors' code
    "5 SEG": ({"segmented": (SEG,) * 5}, 45_164, 8_645_641),
    "5 plain": ({"segmented": (PLAIN,) * 5}, 56_556, 25_441_889),
    "SEG + 4 plain": ({"segmented": (SEG, *(PLAIN,) * 4)}, 56_172, 16_746_033),
    "5 SEG, wide": ({"segmented": (SEG,) * 5, "widths": (24, 128, 128, 128, 128), "hidden": 64}, 121_812, 20_901_505),
}
SMALL = {"widths": (4, 6), "segmented": (SEG, PLAIN), "stem": 4, "hidden": 8}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_mult_adds_are_the_published_ones(name):
    numbers, parameters, mult_adds = PUBLISHED[name]
    counted = summary(DSMN(n_groups=3, **numbers), input_size=(1, 2, 256, 44), verbose=0)
    assert (counted.total_params, counted.total_mult_adds) == (parameters, mult_adds)


@pytest.mark.parametrize("segmented", [(SEG, SEG), (PLAIN, PLAIN), (SEG, PLAIN)])
def test_every_parameter_gets_a_finite_gradient(segmented):
    torch.manual_seed(0)
    network = DSMN(n_groups=3, **(SMALL | {"segmented": segmented, "dropout": 0.0}))
    network(torch.randn(8, 2, 32, 16)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero() > 0, name


@pytest.mark.parametrize("segmented", [(SEG,) * 5, (PLAIN,) * 5])
@pytest.mark.parametrize(("n_bands", "n_frames"), [(32, 32), (33, 47), (63, 32), (41, 33)])
def test_odd_numbers_of_bands_and_frames_are_taken(segmented, n_bands, n_frames):
    logits = DSMN(segmented=segmented).eval()(torch.randn(2, 2, n_bands, n_frames))
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()


@pytest.mark.parametrize(("n_bands", "n_frames"), [(31, 44), (256, 31)])
def test_maps_that_five_halvings_leave_nothing_of_are_refused(n_bands, n_frames):
    with pytest.raises(SettingError) as caught:
        DSMN()(torch.zeros(1, 2, n_bands, n_frames))
    assert str(caught.value) == (
        "DSMN takes 32 or more bands and frames, each of its 5 blocks halves both; "
        f"{n_bands} bands and {n_frames} frames came."
    )


@pytest.mark.parametrize(("n_classes", "n_groups"), [(2, 0), (10, 3), (3, 2), (50, 5)])
def test_logits_are_scenes_then_groups(n_classes, n_groups):
    made = DSMN(n_classes=n_classes, n_groups=n_groups, **SMALL)(torch.randn(2, 2, 8, 8))
    assert made.shape == (2, n_classes + n_groups)


def test_a_clip_alone_equals_the_clip_in_a_batch_of_three():
    torch.manual_seed(0)
    network, x = DSMN(**SMALL).eval(), torch.randn(3, 2, 16, 16)
    assert torch.allclose(network(x)[1:2], network(x[1:2]), atol=1e-5)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    network, x = DSMN(**SMALL, dropout=0.5), torch.randn(2, 2, 16, 16)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_segmented_block_refines_low_bands_and_adds_high_ones():
    """With the refinement and the low branch silenced, what is left depends on the high half of the bands alone."""
    torch.manual_seed(0)
    block = DSMN(**SMALL).eval().blocks[0]
    for module in (block.low, *block.refine):
        for parameter in module.parameters():
            torch.nn.init.zeros_(parameter)
    x = torch.randn(1, 4, 8, 8)
    other_low, other_high = x.clone(), x.clone()
    other_low[:, :, :4] += 1
    other_high[:, :, 4:] += 1
    assert torch.equal(block(x), block(other_low))
    assert not torch.equal(block(x), block(other_high))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"widths": (4, 6, 8)},
            "DSMN.widths and DSMN.segmented take one entry for each of two or more blocks; 3 and 2 came.",
        ),
        (
            {"widths": (4,), "segmented": (True,)},
            "DSMN.widths and DSMN.segmented take one entry for each of two or more blocks; 1 and 1 came.",
        ),
        ({"widths": (4, 5)}, "DSMN.stem and DSMN.widths take even numbers from 2; 4 and (4, 5) came."),
        ({"widths": (4, 0)}, "DSMN.stem and DSMN.widths take even numbers from 2; 4 and (4, 0) came."),
        ({"stem": 3}, "DSMN.stem and DSMN.widths take even numbers from 2; 3 and (4, 6) came."),
        ({"n_classes": 1}, "DSMN.n_classes takes 2 or more; 1 came."),
        ({"n_groups": -1}, "DSMN.n_groups takes 0 or more; -1 came."),
        ({"in_channels": 0}, "DSMN.in_channels takes 1 or more; 0 came."),
        ({"hidden": 0}, "DSMN.hidden takes 1 or more; 0 came."),
        ({"dropout": 1.5}, "DSMN.dropout takes 0 to 1; 1.5 came."),
        ({"dropout": -0.1}, "DSMN.dropout takes 0 to 1; -0.1 came."),
    ],
)
def test_a_setting_out_of_range_is_told_by_its_name(changes, text):
    with pytest.raises(SettingError) as caught:
        DSMN(**(SMALL | changes))
    assert str(caught.value) == text
