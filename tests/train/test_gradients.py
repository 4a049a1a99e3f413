"""Gradients of several tasks: the sum, and report 001's equation 2 written by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tinyscene.train.gradients import project_conflicting, summed


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


X = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))


def conflicting(y: Tensor) -> list[Tensor]:
    return [(y - 1).square().sum(), (y + 0.5).square().sum() * 2]


def agreeing(y: Tensor) -> list[Tensor]:
    return [(y - 1).square().sum(), (y - 2).square().sum()]


def flat(losses: Callable[[Tensor], list[Tensor]], task: int) -> Tensor:
    net = network()
    losses(net(X))[task].backward()
    return torch.cat([p.grad.flatten() for p in net.parameters()])


def made_by(how: Callable, losses: Callable[[Tensor], list[Tensor]]) -> Tensor:
    net = network()
    how(losses(net(X)), list(net.parameters()))
    return torch.cat([p.grad.flatten() for p in net.parameters()])


def equation_2(first: Tensor, second: Tensor) -> Tensor:
    """g_i - (g_i . g_j) / |g_j|^2 g_j for each task where the product is negative; then their mean."""
    product = torch.dot(first, second)
    if product >= 0:
        return (first + second) / 2
    one = first - product / second.square().sum() * second
    two = second - product / first.square().sum() * first
    return (one + two) / 2


def test_the_two_examples_are_what_they_are_called():
    assert torch.dot(flat(conflicting, 0), flat(conflicting, 1)) < 0
    assert torch.dot(flat(agreeing, 0), flat(agreeing, 1)) > 0


@pytest.mark.parametrize("losses", [conflicting, agreeing])
def test_projected_gradients_follow_equation_2(losses):
    expected = equation_2(flat(losses, 0), flat(losses, 1))
    assert torch.allclose(made_by(project_conflicting, losses), expected, rtol=1e-4, atol=1e-5)


def test_projected_gradients_harm_neither_task():
    made = made_by(project_conflicting, conflicting)
    assert torch.dot(made, flat(conflicting, 0)) > -1e-3
    assert torch.dot(made, flat(conflicting, 1)) > -1e-3


@pytest.mark.parametrize("losses", [conflicting, agreeing])
def test_summed_is_the_gradient_of_the_sum(losses):
    assert torch.allclose(made_by(summed, losses), flat(losses, 0) + flat(losses, 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", [summed, project_conflicting])
def test_one_task_has_its_own_gradient(how):
    assert torch.equal(made_by(how, lambda y: conflicting(y)[:1]), flat(conflicting, 0))


def test_heads_that_one_task_alone_uses_get_half_of_its_gradient():
    """The mean over tasks, of which the others give nothing: two losses on outputs that share no weight."""
    layer = nn.Linear(4, 2)
    y = layer(X)
    project_conflicting([y[:, 0].square().sum(), y[:, 1].square().sum()], list(layer.parameters()))
    expected = torch.autograd.grad(layer(X).square().sum(), layer.weight)[0] / 2
    assert layer.weight.grad is not None
    assert torch.allclose(layer.weight.grad, expected, rtol=1e-5)
