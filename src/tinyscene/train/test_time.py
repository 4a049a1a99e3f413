"""Test-time augmentation: a clip is looked at several times, changed by chance each time, and the looks averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..augment import Augmentation, augmented
from ..batch import Batch
from ..data import ClipStore, clip_windows
from ..errors import SettingError, within
from .job import predict

_LOOK, _PROBE = 0x100C, 0x9B0E  # first entries of a seed, see data/clips.py
_WINDOWS = 128  # through the network at once
_ATTEMPTS = 32  # draws in which a part shows whether it looks at other clips; one may act on a share of batches only


@torch.inference_mode()
def predict_augmented(
    network: Callable[[Tensor], Tensor],
    finish: nn.Module,
    decide: nn.Module,
    store: ClipStore,
    rows: np.ndarray,
    augment: Sequence[Augmentation],
    repeats: int,
    seed: int,
) -> np.ndarray:
    """Probabilities (clip, class) float64: the mean over `repeats` looks at all windows of each clip.

    In each look the finished features go through the parts of `augment`, in order; without parts it is `predict`. A
    batch holds windows of one clip, and its chance follows from seed, row and look: what is said of a clip hangs
    neither on the clips asked for with it nor on the number of looks at others.

    Raises:
        SettingError: fewer than 1 look, a part for another place than finished features, or one that mixes clips.
    """
    within("repeats of test-time augmentation", repeats, 1)
    if not augment:
        return predict(network, finish, decide, store, rows)
    for part in augment:
        if "features" not in part.places:
            raise SettingError(
                f"test-time augmentation changes finished features; {type(part).__name__} takes the place "
                f"{' or '.join(part.places)}. Leave it out."
            )
    device = next((p.device for p in getattr(network, "parameters", lambda: iter(()))()), torch.device("cpu"))
    means: list[np.ndarray] = []
    for bands, _ in clip_windows(store, rows, limit=1):  # clip by clip
        features = finish(bands.to(device))
        if not means:
            _check_alone(augment, features[:1])
        clip = Batch(x=features, target=_no_target(features))
        row = int(rows[len(means)])
        looks = torch.cat(
            [augmented(clip, augment, np.random.default_rng([_LOOK, seed, row, i])).x for i in range(repeats)]
        )
        probabilities = [
            decide(network(some.contiguous(memory_format=torch.channels_last)).float()).double().cpu().numpy()
            for some in looks.split(_WINDOWS)
        ]
        means.append(np.concatenate(probabilities).mean(0))
    return np.stack(means)


def _check_alone(augment: Sequence[Augmentation], example: Tensor) -> None:
    """SettingError for a part that makes of a clip, under the same chance, another thing among other clips."""
    noise = np.random.default_rng(_PROBE).standard_normal((7, *example.shape[1:]))
    one, *others = torch.from_numpy(noise).to(example)
    here, there = (torch.stack([one, *some]) for some in (others[:3], others[3:]))
    for part in augment:
        for attempt in range(_ATTEMPTS):
            made = [
                augmented(Batch(x=x, target=_no_target(x)), [part], np.random.default_rng([_PROBE, attempt])).x[0]
                for x in (here, there)
            ]
            if not torch.equal(*made):
                raise SettingError(
                    f"{type(part).__name__} mixes a clip with others of its batch, and a prediction must not hang on "
                    "its neighbours; leave it out of test-time augmentation"
                    + (", or set its mode to 'zero'." if getattr(part, "mode", None) == "mixture" else ".")
                )


def _no_target(x: Tensor) -> Tensor:
    return torch.zeros(len(x), 1, device=x.device)
