"""SceneAndGroupLoss written out; which classes have groups."""

from __future__ import annotations

import pytest
import torch

from tinyscene.batch import Batch
from tinyscene.errors import SettingError
from tinyscene.systems import load_system
from tinyscene.train import SceneAndGroupLoss, group_membership

GROUPS = {"inside": ("hall", "shop"), "outside": ("park",), "moving": ("bus", "tram")}
CLASSES = ("bus", "hall", "park", "shop", "tram")
LOGITS = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
TARGET = torch.softmax(torch.randn(6, 5, generator=torch.Generator().manual_seed(1)), dim=1)


def batch(target: torch.Tensor) -> Batch:
    return Batch(x=target, target=target)


def cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return -(target * (logits - logits.exp().sum(1, keepdim=True).log())).sum()


def test_membership_has_a_row_a_class_and_a_column_a_group():
    expected = [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert group_membership(CLASSES, GROUPS).tolist() == expected


@pytest.mark.parametrize(
    ("classes", "groups"),
    [
        (CLASSES, {}),
        ((*CLASSES, "dog"), GROUPS),
        (("dog", "cat"), GROUPS),
        (("hall", "shop"), GROUPS),
        (CLASSES, GROUPS | {"again": ("bus",)}),
    ],
    ids=["no groups", "one class without", "all without", "one group present", "one class in two"],
)
def test_membership_is_none_unless_every_class_is_in_one_of_several_groups(classes, groups):
    assert group_membership(classes, groups) is None


def test_every_class_of_report_001_has_a_group():
    task = load_system("dsmn-1").task
    assert group_membership(task.classes, task.groups).sum(0).tolist() == [3, 4, 3]


def test_losses_are_the_cross_entropies_written_out_summed_over_the_batch():
    membership = group_membership(CLASSES, GROUPS)
    scenes, groups = SceneAndGroupLoss(membership)(LOGITS, batch(TARGET))
    group_target = torch.stack([TARGET[:, [1, 3]].sum(1), TARGET[:, 2], TARGET[:, [0, 4]].sum(1)], dim=1)
    assert torch.isclose(scenes, cross_entropy(LOGITS[:, :5], TARGET), rtol=1e-5)
    assert torch.isclose(groups, cross_entropy(LOGITS[:, 5:], group_target), rtol=1e-5)


def test_without_groups_there_is_one_loss():
    losses = SceneAndGroupLoss()(LOGITS[:, :5], batch(TARGET))
    assert len(losses) == 1
    assert torch.isclose(losses[0], cross_entropy(LOGITS[:, :5], TARGET), rtol=1e-5)


def test_losses_of_a_batch_are_the_sum_of_its_clips():
    objective = SceneAndGroupLoss(group_membership(CLASSES, GROUPS))
    whole = torch.stack(objective(LOGITS, batch(TARGET)))
    parts = sum(torch.stack(objective(LOGITS[i : i + 1], batch(TARGET[i : i + 1]))) for i in range(6))
    assert torch.allclose(whole, parts, rtol=1e-5)


def test_it_has_nothing_to_train_or_to_save():
    objective = SceneAndGroupLoss(group_membership(CLASSES, GROUPS))
    assert list(objective.parameters()) == []
    assert objective.state_dict() == {}


def test_divergence_is_less_by_the_targets_entropy_and_has_the_same_gradients():
    entropy = -(TARGET * TARGET.log()).sum()
    for reduction, n in (("sum", 1), ("mean", 6)):
        gradients = []
        values = []
        for divergence in (False, True):
            logits = LOGITS[:, :5].clone().requires_grad_()
            (loss,) = SceneAndGroupLoss(reduction=reduction, divergence=divergence)(logits, batch(TARGET))
            loss.backward()
            values.append(loss.detach())
            gradients.append(logits.grad)
        assert torch.isclose(values[0] - values[1], entropy / n, rtol=1e-5)
        assert torch.allclose(*gradients, atol=1e-6)


def test_scenes_may_weigh_more_than_groups():
    membership = group_membership(CLASSES, GROUPS)
    plain = SceneAndGroupLoss(membership)(LOGITS, batch(TARGET))
    five = SceneAndGroupLoss(membership, scene_weight=5.0)(LOGITS, batch(TARGET))
    assert torch.isclose(five[0], 5 * plain[0])
    assert torch.isclose(five[1], plain[1])


def test_what_it_does_not_take_is_told():
    with pytest.raises(SettingError, match="reduction takes 'sum' or 'mean'; 'none' came"):
        SceneAndGroupLoss(reduction="none")
    with pytest.raises(SettingError, match="scene_weight takes a number above 0; 0 came"):
        SceneAndGroupLoss(scene_weight=0)
