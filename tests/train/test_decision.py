"""Decision: a softmax, or the two heads fused as its formula says."""

from __future__ import annotations

import pytest
import torch

from tinyscene.train import Decision, group_membership

CLASSES = ("bus", "hall", "park", "shop", "tram")
MEMBERSHIP = group_membership(CLASSES, {"inside": ("hall", "shop"), "outside": ("park",), "moving": ("bus", "tram")})
LOGITS = 3 * torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("weight", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("membership", [None, MEMBERSHIP], ids=["scenes", "scenes and groups"])
def test_rows_are_probabilities(weight, membership):
    made = Decision(5, membership, weight)(LOGITS)
    assert made.shape == (6, 5)
    assert (made > 0).all()
    assert torch.allclose(made.sum(1), torch.ones(6), atol=1e-6)


@pytest.mark.parametrize(("membership", "weight"), [(None, 0.0), (None, 0.5), (MEMBERSHIP, 0.0)])
def test_without_groups_or_weight_it_is_the_softmax_of_the_scenes(membership, weight):
    assert torch.equal(Decision(5, membership, weight)(LOGITS), torch.softmax(LOGITS[:, :5], dim=1))


def test_fused_by_hand():
    """softmax(scenes) = .1 .2 .3 .2 .2, softmax(groups) = .5 .3 .2, w = .2; the sum is 1 already."""
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.2, 0.2, 0.5, 0.3, 0.2]]).log()
    expected = [
        0.8 * 0.1 + 0.2 * 0.2 / 2,
        0.8 * 0.2 + 0.2 * 0.5 / 2,
        0.8 * 0.3 + 0.2 * 0.3 / 1,
        0.8 * 0.2 + 0.2 * 0.5 / 2,
        0.8 * 0.2 + 0.2 * 0.2 / 2,
    ]
    assert torch.allclose(Decision(5, MEMBERSHIP, 0.2)(logits), torch.tensor([expected]), atol=1e-6)


def test_a_group_without_classes_gives_its_share_to_the_others():
    """An empty third group: what is left, .8 scenes + .2 (.5 and .3 of the groups), is divided by its sum .96."""
    logits = torch.tensor([[0.6, 0.4, 0.5, 0.3, 0.2]]).log()
    membership = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    expected = torch.tensor([[(0.8 * 0.6 + 0.2 * 0.5) / 0.96, (0.8 * 0.4 + 0.2 * 0.3) / 0.96]])
    assert torch.allclose(Decision(2, membership, 0.2)(logits), expected, atol=1e-6)


def test_a_sure_group_head_turns_an_undecided_scene_head():
    logits = torch.zeros(1, 8)
    logits[0, 6] = 20.0  # outside: park
    assert Decision(5, MEMBERSHIP, 0.2)(logits).argmax().item() == CLASSES.index("park")


def test_it_saves_nothing():
    assert Decision(5, MEMBERSHIP, 0.2).state_dict() == {}
