"""Objectives that listen to a teacher beside the labels, and the teacher a network has in itself."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..batch import Batch
from ..errors import ModelError, SettingError, within


class Distillation(nn.Module):
    """Labels and a teacher's softened answers together (Hinton et al. 2015, section 2).

    The loss of the scenes becomes (1 - weight) cross-entropy + weight T^2 KL(teacher at T || student at T), all of it
    times the base's `scene_weight`; T^2 keeps the gradients of both alike whatever T is. Losses of other tasks stay.

    Args:
        base: the objective that the labels have.
        temperature: T, above 0.
        weight: of the teacher's word, 0..1.
    """

    def __init__(self, base: nn.Module, temperature: float = 2.0, weight: float = 0.9):
        super().__init__()
        _check_temperature("Distillation", temperature)
        within("Distillation.weight", weight, 0, 1)
        self.base, self.temperature, self.weight = base, temperature, weight

    def forward(self, logits: Tensor, batch: Batch) -> list[Tensor]:
        n_classes = batch.target.shape[1]
        scenes, *others = self.base(logits, batch)
        heard = _scene_weight(self.base) * divergence(
            logits[:, :n_classes], _teacher(batch)[:, :n_classes], self.temperature, str(self.base.reduction)
        )
        return [(1 - self.weight) * scenes + self.weight * heard, *others]


class SelfDistillation(nn.Module):
    """The sum of cross-entropy, divergence from a teacher's soft labels, and cosine distance of the last hidden layers
    (report 002, section 4): the loss of the scenes, all of it times the base's `scene_weight`.

    `batch.teacher` is (batch, class + hidden). `watch` says whose hidden layer is compared.

    Args:
        base: the objective that the labels have.
        temperature: softens both answers, above 0.
        weights: of cross-entropy, divergence and distance, each 0 or more.
    """

    def __init__(self, base: nn.Module, temperature: float = 2.0, weights: Sequence[float] = (1.0, 1.0, 1.0)):
        super().__init__()
        _check_temperature("SelfDistillation", temperature)
        if len(weights) != 3 or not all(0 <= weight < math.inf for weight in weights):
            raise SettingError(f"SelfDistillation.weights takes three numbers, 0 or more; {tuple(weights)} came.")
        self.base, self.temperature, self.weights = base, temperature, tuple(weights)
        self.hidden: LastHidden | None = None

    def watch(self, network: nn.Module, example: Tensor) -> None:
        """Compare the last hidden layer of `network`, found on `example`."""
        self.hidden = LastHidden(network, example)

    def forward(self, logits: Tensor, batch: Batch) -> list[Tensor]:
        n_classes = batch.target.shape[1]
        scenes, *others = self.base(logits, batch)
        teacher, reduction = _teacher(batch), str(self.base.reduction)
        heard = divergence(logits[:, :n_classes], teacher[:, :n_classes], self.temperature, reduction)
        assert self.hidden is not None
        assert self.hidden.value is not None
        apart = 1 - F.cosine_similarity(self.hidden.value.float(), teacher[:, n_classes:], dim=1)
        apart = apart.mean() if reduction == "mean" else apart.sum()
        of_labels, of_answers, of_hidden = self.weights
        weight = _scene_weight(self.base)
        return [of_labels * scenes + weight * (of_answers * heard + of_hidden * apart), *others]


def divergence(student: Tensor, teacher: Tensor, temperature: float, reduction: str) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) of logits (batch, class): the "mean" or "sum" over clips."""
    own, other = (F.log_softmax(logits.float() / temperature, dim=1) for logits in (student, teacher))
    of_batch = F.kl_div(own, other, reduction="batchmean" if reduction == "mean" else "sum", log_target=True)
    return temperature**2 * of_batch


class LastHidden:
    """What goes into the layer that makes a network's scene logits, (batch, hidden), as of its last forward pass.

    The layer is found by a forward pass of noise in the form of `example` (two windows of features or more): the
    linear layer whose output is the logits, or the first columns of them where groups follow. A network that is copied
    takes the watching with it, not the value.

    Raises:
        ModelError: no linear layer makes the logits.
    """

    def __init__(self, network: nn.Module, example: Tensor):
        self.value: Tensor | None = None
        found: list[tuple[nn.Linear, Tensor]] = []
        hooks = [
            module.register_forward_hook(lambda layer, _, made: found.append((layer, made)))  # type: ignore[arg-type]
            for module in network.modules()
            if isinstance(module, nn.Linear)
        ]
        training = network.training
        network.eval()
        noise = torch.randn(example.shape, generator=torch.Generator().manual_seed(0))  # silence makes layers alike
        with torch.no_grad():
            logits = network(noise.to(example))
        network.train(training)
        for hook in hooks:
            hook.remove()
        head = next((layer for layer, made in found if _begins(logits, made)), None)
        if head is None:
            raise ModelError(
                f"{type(network).__name__} has no linear layer whose output is its logits: its last hidden layer "
                "cannot be compared with a teacher's. Take another network, or Distill in place of SelfDistill."
            )
        self._hook = head.register_forward_pre_hook(self._keep)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"value": None}  # torch copies no tensor that is part of a graph

    def _keep(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.value = inputs[0]

    def close(self) -> None:
        """Look no longer."""
        self._hook.remove()


class SelfTeacher:
    """A frozen copy of a network that looks at several crops of a clip.

    Args:
        network: the student, whose weights it begins with.
        example: features to find the hidden layer on.
        temperature: at which soft labels are averaged over the crops, above 0.
    """

    def __init__(self, network: nn.Module, example: Tensor, temperature: float):
        _check_temperature("SelfTeacher", temperature)
        self.temperature = temperature
        self._network = copy.deepcopy(network).eval().requires_grad_(False)
        self._hidden = LastHidden(self._network, example)

    @torch.no_grad()
    def teach(self, views: Tensor, n_classes: int) -> Tensor:
        """(view, batch, channel, band, frame) -> (batch, class + hidden).

        Logits whose softmax at the temperature is the mean of the views' soft labels, and the mean of their last hidden
        layers.
        """
        n_views = len(views)
        self._network.to(views.device)
        logits = self._network(views.flatten(0, 1).contiguous(memory_format=torch.channels_last)).float()
        soft = torch.softmax(logits[:, :n_classes] / self.temperature, dim=1).unflatten(0, (n_views, -1)).mean(0)
        assert self._hidden.value is not None
        hidden = self._hidden.value.float().unflatten(0, (n_views, -1)).mean(0)
        return torch.cat([self.temperature * soft.clamp_min(1e-30).log(), hidden], dim=1)

    def refresh(self, network: nn.Module) -> None:
        """Take the student's weights."""
        self._network.load_state_dict(network.state_dict())

    def state_dict(self) -> dict[str, Tensor]:
        """Its weights."""
        return self._network.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Weights of `state_dict`."""
        self._network.load_state_dict(state)


def _teacher(batch: Batch) -> Tensor:
    if batch.teacher is None:
        raise SettingError(
            "the batch carries no teacher's answers, and the stage learns from them: name a teacher with "
            "tinyscene train ... --teacher RUN|FILE.csv."
        )
    return batch.teacher


def _scene_weight(base: nn.Module) -> float:
    """What the scenes' loss weighs beside those of other tasks; 1 for an objective that has no such number."""
    return float(getattr(base, "scene_weight", 1.0))


def _begins(logits: Tensor, made: Tensor) -> bool:
    return made.dim() == 2 and torch.equal(logits[:, : made.shape[1]], made)


def _check_temperature(owner: str, temperature: float) -> None:
    if not 0 < temperature < math.inf:
        raise SettingError(f"{owner}.temperature takes a number above 0; {temperature} came.")
