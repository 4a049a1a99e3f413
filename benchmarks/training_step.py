"""One training step of the two systems made of dilated depthwise pairs, beside the plain form: training_step.md.

    python benchmarks/training_step.py [--steps 5] [--no-compile]

The plain form is how the authors' code is written: two torch convolutions for a dilated pair, each half of the bands a
slice, contiguous memory, and a whole backward pass for each task before the gradients are projected. Forms take turns,
one step each, on one thread; a figure is the fastest step. No data is needed: random features.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyscene import load_system
from tinyscene.models.dsmn import SegmentedDistillation
from tinyscene.nn import DilatedDepthwiseConv
from tinyscene.train.gradients import project_conflicting, summed
from tinyscene.train.machine import keep_memory

BATCH = 32
Losses = Callable[[Tensor], list[Tensor]]
SYSTEMS = {"dsmn-1": "two tasks, PCGrad", "cnn6-ca": "one task"}


class PlainHalves(SegmentedDistillation):
    """The block with each half of the bands a slice, as the authors write it."""

    def forward(self, x: Tensor) -> Tensor:
        half = x.shape[2] // 2
        low, high = x[:, :, :half], x[:, :, half : 2 * half]
        return self.out(self.attention(self.low(low) + self.high(high) + self.refine(low)))


def plain(network: nn.Module) -> nn.Module:
    """A copy with torch's own convolutions and slices, the same weights."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, SegmentedDistillation):
            module.__class__ = PlainHalves
        elif isinstance(module, DilatedDepthwiseConv):
            module.__class__ = nn.Conv2d  # type: ignore[assignment]
    return network


def task_losses(name: str) -> Losses:
    """Logits -> the losses of the system's tasks on targets that stay the same."""
    rng = torch.Generator().manual_seed(2)
    scene, group = (torch.randint(0, n, (BATCH,), generator=rng) for n in (10, 3))
    if name == "cnn6-ca":
        return lambda logits: [functional.cross_entropy(logits, scene)]
    return lambda logits: [
        functional.cross_entropy(logits[:, :10], scene),
        functional.cross_entropy(logits[:, 10:], group),
    ]


def plain_gradients(losses: Sequence[Tensor], parameters: Sequence[nn.Parameter]) -> None:
    """Report 001, equation 2, written down: a backward pass for each task, then the projections, then the mean."""
    if len(losses) == 1:
        losses[0].backward()
        return
    found = []
    for i, loss in enumerate(losses):
        for parameter in parameters:
            parameter.grad = None
        loss.backward(retain_graph=i + 1 < len(losses))
        found.append(torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]))
    first, second = found
    product = first @ second
    if product < 0:
        first, second = first - product / (second @ second) * second, second - product / (first @ first) * first
    mean = (first + second) / 2
    for parameter, part in zip(parameters, mean.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = part.view_as(parameter).clone()


class Form:
    """One way to take the step."""

    def __init__(self, name: str, network: nn.Module, features: Tensor, losses: Losses, ours: bool, compiled: bool):
        self.name, self.network, self.losses = name, network.to(features.dtype).train(), losses
        layout = torch.channels_last if ours else torch.contiguous_format
        network.to(memory_format=layout)  # type: ignore[call-overload]
        self.features = features.contiguous(memory_format=layout)
        self.gradients = (project_conflicting if len(losses(torch.zeros(BATCH, 13))) > 1 else summed) if ours else None
        self.logits = torch.compile(network, dynamic=False) if compiled else network
        self.seconds = float("inf")

    def step(self) -> None:
        """Forward and gradients, timed."""
        start = time.perf_counter()
        self.network.zero_grad()
        losses = self.losses(self.logits(self.features))
        (self.gradients or plain_gradients)(losses, list(self.network.parameters()))
        self.seconds = min(self.seconds, time.perf_counter() - start)

    def gradient(self) -> Tensor:
        """All gradients of the last step side by side."""
        return torch.cat([p.grad.flatten() for p in self.network.parameters() if p.grad is not None])


def measured(name: str, steps: int, compiled: bool) -> list[str]:
    """The rows of one system."""
    torch.manual_seed(1)
    system = load_system(name)
    network = system.model.build()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # chance would hide whether the gradients are equal
    features = system.frontend.build().eval()(torch.randn(BATCH, system.window_samples) / 10)
    losses = task_losses(name)

    def forms_of(features: Tensor) -> list[Form]:
        return [
            Form("as the authors write it", plain(network), features, losses, ours=False, compiled=False),
            Form("tinyscene", copy.deepcopy(network), features, losses, ours=True, compiled=False),
            *[
                Form("tinyscene, `--compile`", copy.deepcopy(network), features, losses, ours=True, compiled=True)
                for _ in range(compiled)
            ],
        ]

    forms = forms_of(features.double())
    for form in forms:
        form.step()
    reference = forms[0].gradient()
    apart = [float((form.gradient() - reference).abs().max() / reference.abs().max()) for form in forms]
    forms = forms_of(features)
    for _ in range(2 + steps):
        for form in forms:
            form.step()
    slowest = forms[0].seconds
    return [
        f"| `{name}`, {SYSTEMS[name]} | {form.name} | {form.seconds:.3f} s | {slowest / form.seconds:.2f} "
        f"| {difference:.0e} |"
        for form, difference in zip(forms, apart, strict=True)
    ]


def main() -> None:
    """Measure and write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--steps", type=int, default=5)
    options.add_argument("--no-compile", action="store_true")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    kept = keep_memory()
    lines = [
        f"| training step of {BATCH} clips | form | seconds | times as fast | gradients apart |",
        "|---|---|---|---|---|",
    ]
    for name in SYSTEMS:
        lines += measured(name, chosen.steps, not chosen.no_compile)
    lines += [
        "",
        f"Forward and gradients, without the optimiser; full-size networks on random sound, one thread, the fastest of "
        f"{chosen.steps} steps, the forms taking turns in one process. Freed memory is "
        f"{'kept for the next step in all forms' if kept else 'not kept'}. Gradients apart: the largest difference, "
        "divided by the largest gradient, in double precision. (In single precision torch's batch norm in "
        "channels_last memory rounds the gradient of its scale by 4e-4, in any of the forms.) "
        f"torch {torch.__version__}. Written by `benchmarks/training_step.py`.",
    ]
    path = Path(__file__).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
