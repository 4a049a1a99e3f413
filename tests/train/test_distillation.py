"""Objectives with a teacher against numpy, the hidden layer of every network, the teacher a network has in itself."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from tinyscene.batch import Batch
from tinyscene.errors import ModelError, SettingError
from tinyscene.models import amfm, cnn6_ca, cp_mobile, dcase2022_baseline, dsmn, mini_seg_net, pham_cnn, resnet_se
from tinyscene.spec import Spec
from tinyscene.train.distillation import Distillation, LastHidden, SelfDistillation, SelfTeacher
from tinyscene.train.objectives import SceneAndGroupLoss
from tinyscene.train.schedules import CosineWarmup
from tinyscene.train.self_distill import SelfDistill

CHANCE = np.random.default_rng(0)
STUDENT, TEACHER = CHANCE.normal(size=(2, 5, 4)) * 2
GROUPS, HIDDEN, TAUGHT_HIDDEN = CHANCE.normal(size=(5, 2)), CHANCE.normal(size=(5, 7)), CHANCE.normal(size=(5, 7))
TARGET = CHANCE.dirichlet(np.ones(4), size=5)
MEMBERSHIP = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return powers / powers.sum(1, keepdims=True)


def kl(teacher: np.ndarray, student: np.ndarray, temperature: float) -> np.ndarray:
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return (p * np.log(p / q)).sum(1)


def cross_entropy(logits: np.ndarray) -> np.ndarray:
    return -(TARGET * np.log(softmax(logits))).sum(1)


def tensor(*parts: np.ndarray) -> Tensor:
    return torch.tensor(np.concatenate(parts, axis=1), dtype=torch.float32)


def batch(teacher: Tensor | None) -> Batch:
    return Batch(x=torch.zeros(5, 1, 1, 1), target=tensor(TARGET), teacher=teacher)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(("temperature", "weight"), [(1.0, 0.5), (2.0, 0.9), (4.0, 1.0)])
def test_distillation_is_the_formula_written_out(reduction, temperature, weight):
    base = SceneAndGroupLoss(MEMBERSHIP, reduction)
    asked = batch(tensor(TEACHER, HIDDEN))
    scenes, groups = Distillation(base, temperature, weight)(tensor(STUDENT, GROUPS), asked)
    by_clip = (1 - weight) * cross_entropy(STUDENT) + weight * temperature**2 * kl(TEACHER, STUDENT, temperature)
    assert scenes.item() == pytest.approx(getattr(by_clip, reduction)(), rel=1e-5)
    assert torch.equal(groups, base(tensor(STUDENT, GROUPS), asked)[1])


def test_a_teacher_without_weight_changes_nothing():
    base = SceneAndGroupLoss()
    without = Distillation(base, weight=0.0)(tensor(STUDENT), batch(tensor(TEACHER)))
    assert torch.equal(without[0], base(tensor(STUDENT), batch(None))[0])


def test_who_answers_as_the_teacher_has_nothing_to_learn_from_it():
    logits = tensor(STUDENT).requires_grad_()
    other = tensor(STUDENT) + 3  # the same answers: a softmax does not see what all logits share
    (loss,) = Distillation(SceneAndGroupLoss(), 2.0, weight=1.0)(logits, batch(other))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-5


@pytest.mark.parametrize("temperature", [30.0, 100.0])
def test_at_high_temperature_the_gradient_is_the_difference_of_centred_logits(temperature):
    """Hinton et al. 2015, equation 4, times T^2: (z - v) / N whatever T is."""
    logits = tensor(STUDENT).requires_grad_()
    Distillation(SceneAndGroupLoss(), temperature, weight=1.0)(logits, batch(tensor(TEACHER)))[0].backward()
    difference = STUDENT - TEACHER
    expected = (difference - difference.mean(1, keepdims=True)) / 4
    assert logits.grad is not None
    assert np.abs(logits.grad.numpy() - expected).max() < 4 / temperature


@pytest.mark.parametrize("objective", [Distillation(SceneAndGroupLoss()), SelfDistillation(SceneAndGroupLoss())])
def test_a_batch_without_a_teacher_is_refused_with_what_to_do(objective):
    with pytest.raises(SettingError, match=r"carries no teacher's answers.*--teacher RUN"):
        objective(tensor(STUDENT), batch(None))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("kind", [Distillation, SelfDistillation])
def test_temperatures_out_of_range_are_refused(kind, temperature):
    with pytest.raises(SettingError, match=rf"{kind.__name__}\.temperature takes a number above 0; {temperature} came"):
        kind(SceneAndGroupLoss(), temperature)


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_weights_of_the_teacher_out_of_range_are_refused(weight):
    with pytest.raises(SettingError, match=r"Distillation\.weight takes 0 to 1"):
        Distillation(SceneAndGroupLoss(), 2.0, weight)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, -1.0, 1.0), (1.0, math.nan, 1.0)])
def test_weights_of_self_distillation_out_of_range_are_refused(weights):
    with pytest.raises(SettingError, match=r"SelfDistillation\.weights takes three numbers, 0 or more"):
        SelfDistillation(SceneAndGroupLoss(), 2.0, weights)


def head() -> nn.Linear:
    """Takes HIDDEN to STUDENT and GROUPS."""
    made = nn.Linear(7, 6)
    solved = np.linalg.pinv(HIDDEN) @ np.concatenate([STUDENT, GROUPS], axis=1)
    made.weight.data, made.bias.data = tensor(solved.T), torch.zeros(6)
    return made


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.5, 2.0, 3.0), (0.0, 0.0, 1.0)])
def test_self_distillation_is_the_sum_of_three_losses(reduction, weights):
    network, base = head(), SceneAndGroupLoss(MEMBERSHIP, reduction)
    objective = SelfDistillation(base, 2.0, weights)
    objective.watch(network, torch.zeros(2, 7))
    asked = batch(tensor(TEACHER, TAUGHT_HIDDEN))
    scenes, groups = objective(network(tensor(HIDDEN)), asked)
    norms = np.linalg.norm(HIDDEN, axis=1) * np.linalg.norm(TAUGHT_HIDDEN, axis=1)
    distance = 1 - (HIDDEN * TAUGHT_HIDDEN).sum(1) / norms
    parts = cross_entropy(STUDENT), 4 * kl(TEACHER, STUDENT, 2), distance
    by_clip = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    assert scenes.item() == pytest.approx(getattr(by_clip, reduction)(), rel=1e-4)
    assert torch.equal(groups, base(network(tensor(HIDDEN)), asked)[1])


def test_what_the_scenes_weigh_counts_for_all_that_is_said_of_them():
    """Report 002's branch of the groups: whatever the scenes learn from weighs five times the groups."""
    asked = batch(tensor(TEACHER, TAUGHT_HIDDEN))
    network, losses = head(), {}
    for weight in (1.0, 5.0):
        base = SceneAndGroupLoss(MEMBERSHIP, "mean", scene_weight=weight)
        own = SelfDistillation(base, 2.0, (0.5, 2.0, 3.0))
        own.watch(network, torch.zeros(2, 7))
        for kind, objective in (("self", own), ("teacher", Distillation(base, 2.0, 0.7))):
            losses[kind, weight] = torch.stack(objective(network(tensor(HIDDEN)), asked)).tolist()
    for kind in ("self", "teacher"):
        scenes, groups = losses[kind, 1.0]
        assert losses[kind, 5.0] == pytest.approx([5 * scenes, groups], rel=1e-6)


def test_who_is_its_own_teacher_takes_no_other():
    spec = Spec(SelfDistill, temperature=2.0, epochs=2, batch_size=4, optimizer=Spec(SGD, lr=0.1))
    schedule = Spec(CosineWarmup, warmup_epochs=1)
    assert spec.but(schedule=schedule, teacher_weight=0.0).build().teacher_weight == 0
    with pytest.raises(SettingError, match=r"distil is its own teacher; a teacher_weight of 0\.5 came\. Take Distill"):
        spec.but(schedule=schedule, teacher_weight=0.5).build()


def test_only_the_student_learns():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    views = torch.randn(3, 5, 1, 2, 3)
    teacher = SelfTeacher(network, views[0], 2.0)
    objective = SelfDistillation(SceneAndGroupLoss())
    objective.watch(network, views[0])
    said = teacher.teach(views.clone().requires_grad_(), 4)
    (loss,) = objective(network(views[0]), batch(said))
    loss.backward()
    assert not said.requires_grad
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
    assert all(p.grad is None and not p.requires_grad for p in teacher._network.parameters())


NETWORKS = {
    "amfm": (lambda: amfm.AMFM(), (1, 64, 64)),
    "amfm with groups": (lambda: amfm.AMFM(n_groups=3), (1, 64, 64)),
    "resnet-se": (lambda: resnet_se.ResNetSE(), (3, 64, 32)),
    "cnn6-ca": (lambda: cnn6_ca.CNN6CA(n_mels=64), (1, 64, 32)),
    "dsmn with groups": (lambda: dsmn.DSMN(n_groups=3), (2, 64, 32)),
    "mini-seg-net": (lambda: mini_seg_net.MiniSegNet(widths=(8, 8, 8, 8, 8), hidden=6), (3, 32, 16)),
    "pham": (lambda: pham_cnn.PhamCNN(n_classes=10), (1, 32, 64)),
    "baseline": (lambda: dcase2022_baseline.Dcase2022Baseline(hidden=6), (1, 40, 51)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_hidden_layer_of_every_network_makes_its_scene_logits(name):
    torch.manual_seed(0)
    make, size = NETWORKS[name]
    network = make()
    hidden = LastHidden(network, torch.zeros(2, *size))  # silence: all that zero biases give is alike
    assert network.training
    assert hidden.value is None
    features = torch.randn(3, *size)
    logits = network.eval()(features)
    assert hidden.value is not None
    watched = [m for m in network.modules() if isinstance(m, nn.Linear) and m._forward_pre_hooks]
    assert len(watched) == 1
    made = hidden.value @ watched[0].weight.T + watched[0].bias
    assert made.shape[1] >= 10
    assert torch.allclose(made, logits[:, : made.shape[1]], atol=1e-5)
    before = hidden.value
    hidden.close()
    network(features)
    assert hidden.value is before


class TwoHeads(nn.Module):
    """Scenes beside groups; without biases, silence makes all layers say 0."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.scenes, self.groups = (nn.Linear(6, outputs, bias=False) for outputs in (2, 4, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1) + self.squeeze(x.flatten(1)).mean()
        return torch.cat([self.scenes(x), self.groups(x)], dim=1)


def test_the_hidden_layer_is_found_by_what_silence_does_not_tell_apart():
    network = TwoHeads()
    LastHidden(network, torch.zeros(2, 1, 2, 3))
    assert [bool(layer._forward_pre_hooks) for layer in network.children()] == [False, True, False]


def test_a_network_without_a_linear_head_is_refused():
    with pytest.raises(ModelError, match="CPMobile has no linear layer whose output is its logits"):
        LastHidden(cp_mobile.CPMobile(), torch.zeros(2, 1, 64, 32))


def test_a_watched_network_can_be_copied_in_training():
    network = head()
    hidden = LastHidden(network, torch.zeros(2, 7))
    network(tensor(HIDDEN) * network.weight.mean())  # an input with a gradient, which torch cannot copy
    assert hidden.value is not None
    copied = copy.deepcopy(network)
    before = hidden.value
    assert torch.equal(copied(tensor(HIDDEN)), network(tensor(HIDDEN)))
    copied(torch.zeros(2, 7))
    assert hidden.value is not before
    assert len(hidden.value) == 5, "what the copy is given is not the network's"


def shared() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 7), nn.BatchNorm1d(7), nn.Dropout(0.5), nn.Linear(7, 6))


def test_a_teacher_says_the_mean_of_its_soft_labels_and_hidden_layers():
    network = shared()
    views = torch.randn(3, 5, 1, 2, 3)
    said = SelfTeacher(network, views[0], 2.0).teach(views, 4).numpy().astype(np.float64)
    network.eval()
    with torch.no_grad():
        hidden = [network[:-1](view).numpy() for view in views]
        logits = [network(view).numpy()[:, :4].astype(np.float64) for view in views]
    assert said.shape == (5, 4 + 7)
    assert np.allclose(softmax(said[:, :4] / 2.0), np.mean([softmax(z / 2.0) for z in logits], axis=0), atol=1e-6)
    assert np.allclose(said[:, 4:], np.mean(hidden, axis=0), atol=1e-6)


def test_a_certain_teacher_says_finite_logits():
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 3))
    network[1].weight.data = torch.tensor([[1e4, 0], [0, 0], [-1e4, 0]])
    said = SelfTeacher(network, torch.zeros(2, 1, 1, 2), 1.0).teach(torch.ones(1, 4, 1, 1, 2), 3)
    assert torch.isfinite(said).all()


def test_a_teacher_stays_what_it_is_until_it_is_refreshed():
    network, views = shared(), torch.randn(2, 5, 1, 2, 3)
    teacher = SelfTeacher(network, views[0], 2.0)
    before = teacher.teach(views, 4)
    with torch.no_grad():
        network.train()(views[0])  # moves the statistics of its batch norm
        network.get_parameter("1.weight").add_(1)
    assert torch.equal(teacher.teach(views, 4), before)
    teacher.refresh(network)
    after = teacher.teach(views, 4)
    assert not torch.allclose(after, before)
    assert torch.equal(after, SelfTeacher(network, views[0], 2.0).teach(views, 4))


def test_a_teacher_comes_back_from_its_state():
    network, views = shared(), torch.randn(2, 5, 1, 2, 3)
    teacher = SelfTeacher(network, views[0], 2.0)
    state = copy.deepcopy(teacher.state_dict())
    assert all(isinstance(value, Tensor) for value in state.values())
    other = SelfTeacher(shared().apply(_moved), views[0], 2.0)
    assert not torch.allclose(other.teach(views, 4), teacher.teach(views, 4))
    other.load_state_dict(state)
    assert torch.equal(other.teach(views, 4), teacher.teach(views, 4))


def _moved(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        module.weight.data += torch.linspace(0, 1, module.weight.numel()).view_as(module.weight)
