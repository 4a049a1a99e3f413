"""Training of a pix2pix generator: a loop of its own, for two networks take turns in it and neither is a classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DataError, TinysceneError, within
from ..nn.device_translator import DeviceTranslator
from ..nn.patch_gan import PatchGAN
from . import checkpoints
from .journal import append_row
from .machine import Machine

_ORDER, _HELD_OUT = 0x0D1E, 0x4E1D


class Pairs(Protocol):
    """Maps (channel, band, frame) of one moment: on the main device and on another."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True)
class Pix2PixSettings:
    """Isola et al. 2017, section 3.3; report 000 gives no numbers.

    Args:
        epochs: passes over the pairs. batch_size: as published 1.
        lr, beta1: of both Adams. l1_weight: of the distance to the target beside the discriminator's word.
        width: filters of the outermost layers. depth: levels of the U-Net.
    """

    epochs: int = 20
    batch_size: int = 1
    lr: float = 2e-4
    beta1: float = 0.5
    l1_weight: float = 100.0
    width: int = 64
    depth: int = 5

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "width"):
            within(f"pix2pix.{name}", getattr(self, name), 1)
        within("pix2pix.lr", self.lr, 0)
        within("pix2pix.beta1", self.beta1, 0, 1)
        within("pix2pix.l1_weight", self.l1_weight, 0)


def aligned_pairs(
    devices: Sequence[str], segments: Sequence[str], main: str = "a", others: Sequence[str] = ("s1", "s2", "s3")
) -> list[tuple[int, int]]:
    """(row of the main device, row of another) for each segment that both recorded, in the order of the rows.

    Raises:
        DataError: there are none.
    """
    at_main = {segment: i for i, (device, segment) in enumerate(zip(devices, segments, strict=True)) if device == main}
    pairs = [
        (at_main[segment], i)
        for i, (device, segment) in enumerate(zip(devices, segments, strict=True))
        if device in others and segment and segment in at_main
    ]
    if not pairs:
        raise DataError(
            f"pix2pix takes clips of one moment on the device {main} and on one of {', '.join(others)} in the training "
            f"split; there are none among {len(devices)} clips. A data set in TAU layout with these devices has them."
        )
    return pairs


def fit_pix2pix(
    pairs: Pairs,
    held_out: Pairs,
    out: Path,
    settings: Pix2PixSettings,
    seed: int = 1,
    accelerator: str = "auto",
    resume: bool = False,
    facts: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, float]]:
    """Train on `pairs` and write the generator to `out`; returns the journal, a row an epoch.

    Beside `out` lie OUT.ckpt, with which `resume` goes on after the last whole epoch as if nothing had happened, until
    the end, and OUT.journal.jsonl. `held_out` pairs only measure: mean distance of the generated from the target, and
    of the source from it.

    Raises:
        TinysceneError: a loss that is not finite.
        OutputError: the folder cannot be written.
    """
    device = Machine(accelerator, "32-true").decided().accelerator
    torch.manual_seed(seed)
    mean, deviation = _statistics(pairs)
    channels = len(mean)
    translator = DeviceTranslator(channels, settings.width, settings.depth, mean, deviation, facts).to(device)
    judge = PatchGAN(channels, settings.width).to(device)
    betas = (settings.beta1, 0.999)
    of_maker = torch.optim.Adam(translator.generator.parameters(), settings.lr, betas)
    of_judge = torch.optim.Adam(judge.parameters(), settings.lr, betas)
    parts = {"maker": translator.generator, "judge": judge, "of_maker": of_maker, "of_judge": of_judge}
    checkpoint, journal = (out.with_name(out.name + suffix) for suffix in (".ckpt", ".journal.jsonl"))
    first, rows = 0, []
    if resume and checkpoint.is_file():
        state = checkpoints.load(checkpoint)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        first, rows = state["epoch"], state["rows"]
    else:
        journal.unlink(missing_ok=True)
    for epoch in range(first, settings.epochs):
        translator.train()
        losses = []
        order = np.random.default_rng([_ORDER, seed, epoch]).permutation(len(pairs))
        steps = np.array_split(order, max(1, -(-len(order) // settings.batch_size)))
        for step, some in enumerate(steps):
            torch.manual_seed(int(np.random.SeedSequence([seed, epoch, step]).generate_state(1)[0]))  # the dropout's
            source, target = (
                torch.from_numpy(np.stack(maps)).to(device) for maps in zip(*map(pairs.__getitem__, some), strict=True)
            )
            losses.append(_step(translator, judge, of_maker, of_judge, source, target, settings.l1_weight))
            if progress:
                progress(epoch * len(steps) + step + 1, settings.epochs * len(steps))
        judged, fooled, distance = np.mean(losses, axis=0).tolist()
        if not np.isfinite([judged, fooled, distance]).all():
            raise TinysceneError(f"the losses of epoch {epoch + 1} are not finite: lower pix2pix.lr and start anew.")
        made, plain = _distances(translator.eval(), held_out, device)
        row = {
            "epoch": epoch,
            "discriminator": judged,
            "generator": fooled,
            "l1": distance,
            "held_out": made,
            "held_out_source": plain,
        }
        rows.append(row)
        checkpoints.save(
            {name: part.state_dict() for name, part in parts.items()} | {"epoch": epoch + 1, "rows": rows}, checkpoint
        )
        append_row(journal, row)
    translator.facts |= {"epochs": settings.epochs, "pairs": len(pairs), "seed": seed, "last": rows[-1]}
    translator.cpu().eval().write(out)
    checkpoint.unlink(missing_ok=True)
    return rows


def _step(
    translator: DeviceTranslator,
    judge: nn.Module,
    of_maker: torch.optim.Optimizer,
    of_judge: torch.optim.Optimizer,
    source: Tensor,
    target: Tensor,
    l1_weight: float,
) -> tuple[float, float, float]:
    """One step of each network; its three losses: discriminator, generator, mean distance (standardised)."""
    source, target = ((maps - translator.mean) / translator.deviation for maps in (source, target))
    made = translator.generator(source)
    of_judge.zero_grad()
    judged = 0.5 * (_said(judge(source, target), True) + _said(judge(source, made.detach()), False))
    judged.backward()
    of_judge.step()
    of_maker.zero_grad()
    fooled, distance = _said(judge(source, made), True), F.l1_loss(made, target)
    (fooled + l1_weight * distance).backward()
    of_maker.step()
    return float(judged.detach()), float(fooled.detach()), float(distance.detach())


def _said(logits: Tensor, real: bool) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def _statistics(pairs: Pairs, most: int = 512) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel over both sides of up to `most` pairs, evenly spaced."""
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(most, len(pairs))).astype(int))
    maps = [np.stack(pairs[int(i)]).astype(np.float64) for i in chosen]
    mean = np.mean([m.mean((0, 2, 3)) for m in maps], axis=0)
    square = np.mean([np.square(m).mean((0, 2, 3)) for m in maps], axis=0)
    deviation = np.sqrt(np.maximum(square - mean**2, 1e-6))
    return tuple(mean.tolist()), tuple(deviation.tolist())


@torch.inference_mode()
def _distances(translator: DeviceTranslator, pairs: Pairs, device: str) -> tuple[float, float]:
    """Mean distance of the generated, and of the source, from the target, in the units of the features."""
    made, plain = [], []
    for i in range(len(pairs)):
        source, target = (torch.from_numpy(np.ascontiguousarray(maps))[None].to(device) for maps in pairs[i])
        made.append(float(F.l1_loss(translator(source), target)))
        plain.append(float(F.l1_loss(source, target)))
    return (float(np.mean(made)), float(np.mean(plain))) if made else (float("nan"), float("nan"))
