"""Calibrate: int8 without training, its scales watched on training clips, as a stage of a recipe."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import within
from ..train import Stage

if TYPE_CHECKING:
    from torch.fx import GraphModule
    from torchao.quantization.pt2e import FakeQuantize

    from ..train import Job

BATCH = 8  # windows
CHOICE = 0xCA11B  # first entry of the seed that chooses the clips


class Calibrate(Stage):
    """Post-training quantisation: the network of Int8, its scales from some training clips; no weight is trained.

    Test clips are never looked at, nor clips that training held out, and nothing is augmented. A weight that a stage
    before pruned stays 0, as 0 is a step of every scale.

    Args:
        clips: so many training clips at most, chosen by the run's seed.
        validation_share: part of the training clips, by recording, that is not looked at, 0 up to below 1: as in the
            stage before.
        after: name of the stage whose weights are taken; None: the last training stage.
        name: the stage's name and folder.
    """

    compresses = True
    precision = "int8"

    def __init__(self, clips: int = 512, validation_share: float = 0.1, after: str | None = None, name: str = "ptq"):
        super().__init__(name, after)
        within(f"{name}.clips", clips, 1)
        within(f"{name}.validation_share", validation_share, 0, 0.99)
        self.clips, self.validation_share = clips, validation_share

    def run(self, network: nn.Module, job: Job, folder: Path) -> nn.Module:
        """The fake-quantised network, calibrated and settled; the float `network` stays as it is."""
        from ..train import WEIGHTS, save
        from .quantized import prepared, settle

        graph = prepared(network, job.example)
        calibrate(graph, (x for x, _ in plain_clips(job, self.clips)))
        settle(graph)
        folder.mkdir(parents=True, exist_ok=True)
        save(graph.state_dict(), folder / WEIGHTS)
        return graph

    def shaped(self, network: nn.Module, example: Tensor, folder: Path) -> nn.Module:
        """The fake-quantised network, its scales not known yet."""
        from .quantized import prepared

        return prepared(network, example)


@torch.no_grad()
def plain_clips(job: Job, clips: int) -> Iterator[tuple[Tensor, int]]:
    """Finished features (window, channel, band, frame) and the class of at most `clips` training clips, one by one."""
    rng = np.random.default_rng([CHOICE, job.seed])
    crops = copy.copy(job.crops)
    crops.rows = rng.permutation(crops.rows)[:clips]
    for batch in crops.in_order():
        x = job.front_end(batch.x) if crops.store.cut == "waveform" else job.front_end.finish(batch.x)
        yield x, int(batch.target[0].argmax())


@torch.no_grad()
def calibrate(graph: GraphModule, features: Iterable[Tensor]) -> None:
    """Set every scale of a graph from `prepared` by what its float network does with `features`; in eval after.

    Weights keep the range of each channel. Of an activation the mean of the lowest and the mean of the highest values
    of BATCH windows are taken. Tried with DSMN-1 on ESC-10, when scales were no powers of 2 yet: int8 then gave the
    float network's class for 97 % of the test clips; with the extremes of all windows, which one loud clip decides,
    for 78 %; with torchao's histograms for 93 %.
    """
    import torchao.quantization.pt2e as pt2e

    graph.eval()
    graph.apply(pt2e.disable_fake_quant)
    ranges: dict[FakeQuantize, list[Tensor]] = {}

    def watch(module: nn.Module, taken: tuple[Tensor, ...]) -> None:
        ranges.setdefault(module, []).append(torch.stack(taken[0].aminmax()))  # type: ignore[arg-type]

    hooks = [module.register_forward_pre_hook(watch) for module in graph.modules() if _is_activation(module)]
    for x in _batches(features):
        graph(x)
    for hook in hooks:
        hook.remove()
    for module, seen in ranges.items():
        module.activation_post_process.reset_min_max_vals()
        low, high = torch.stack(seen).reshape(-1, module.activation_post_process.sites, 2).unbind(-1)
        module.activation_post_process(torch.stack([low.amin(1).mean(), high.amax(1).mean()]))
        scale, zero_point = module.calculate_qparams()
        module.scale.copy_(scale)
        module.zero_point.copy_(zero_point)
    graph.apply(pt2e.disable_observer)
    graph.apply(pt2e.enable_fake_quant)


def _batches(features: Iterable[Tensor]) -> Iterator[Tensor]:
    """The windows of all clips, BATCH at once."""
    held: list[Tensor] = []
    for x in features:
        held.append(x)
        while sum(map(len, held)) >= BATCH:
            whole = torch.cat(held)
            held = [whole[BATCH:]]
            yield whole[:BATCH]
    if sum(map(len, held)):
        yield torch.cat(held)


def _is_activation(module: nn.Module) -> bool:
    """Whether it is a fake quantiser of a tensor that is no weight, and whose scale is not fixed."""
    from torchao.quantization.pt2e import FakeQuantize, FixedQParamsFakeQuantize

    fixed = isinstance(module, FixedQParamsFakeQuantize)
    return isinstance(module, FakeQuantize) and not fixed and not module.is_per_channel
