"""Job: all that a training stage needs to know of the data, the chance and the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ..augment import Augmentation
from ..data import ClipStore, Crops, clip_windows
from ..frontends import FrontEnd
from .machine import Machine


@dataclass(frozen=True)
class Job:
    """One run's data, made ready, and its settings.

    `augment` holds the augmentations by the place they act on; those of the waveform are the crops' own. `crops` are
    the training clips, `validation` rows of `windows` that were held out of them (by recording); `membership` is the
    (class, group) matrix where the data set's classes have groups; `example` two windows of finished features, to
    trace a network on.
    """

    front_end: FrontEnd
    augment: Mapping[str, Sequence[Augmentation]]
    crops: Crops
    windows: ClipStore
    validation: np.ndarray
    decide: nn.Module
    membership: Tensor | None
    example: Tensor
    seed: int
    machine: Machine = field(default_factory=Machine)
    tensorboard: bool = False
    resume: bool = False


@torch.inference_mode()
def predict(
    network: Callable[[Tensor], Tensor], job_finish: nn.Module, decide: nn.Module, store: ClipStore, rows: np.ndarray
) -> np.ndarray:
    """Probabilities (clip, class) float64: the mean over each clip's windows, as the device decides."""
    device = next((p.device for p in getattr(network, "parameters", lambda: iter(()))()), torch.device("cpu"))
    total: np.ndarray | None = None
    count = np.zeros(len(rows))
    for bands, owner in clip_windows(store, rows):
        features = job_finish(bands.to(device)).contiguous(memory_format=torch.channels_last)
        probabilities = decide(network(features).float()).double().cpu().numpy()
        if total is None:
            total = np.zeros((len(rows), probabilities.shape[1]))
        np.add.at(total, owner, probabilities)
        np.add.at(count, owner, 1)
    assert total is not None
    return total / count[:, None]
