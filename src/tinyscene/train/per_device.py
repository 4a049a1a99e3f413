"""PerDevice: a training stage that gives each device a network of its own, as the rules of 2025 allow."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from ..errors import DataError, ModelError, SettingError, within
from .fit import Fit

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from ..data import ClipStore
    from .job import Job

GENERAL = ""  # the name under which the network of all other devices is kept


class PerDevice(Fit):
    """Trains a copy of the network on for each training device, on that device's clips alone.

    The rules of 2025 tell a clip's device at test: a known one has its own copy, any other the general network, which
    stays as it came. Devices have a folder each in the stage's own, with journal and checkpoints; a resumed stage
    passes over those that have ended. weights.pt holds all networks, each number named "device/parameter", those of the
    general network "/parameter": `networks_of` reads it.

    A device without a held-out clip keeps the weights of its last epoch.

    Args:
        min_clips: training clips that a device needs for a copy of its own, 2 or more.
        others: as of Fit.
    """

    per_device = True

    def __init__(self, *, min_clips: int = 50, name: str = "per_device", **fit: Any):
        super().__init__(name=name, **fit)
        within(f"{name}.min_clips", min_clips, 2)
        self.min_clips = min_clips

    def run(self, network: nn.Module, job: Job, folder: Path, callbacks: Sequence[pl.Callback] = ()) -> nn.Module:
        """Train the copies in `folder`; returns the general network, as it came, in eval on the CPU.

        Raises:
            DataError: the training clips name no device.
            SettingError: no device has `min_clips` of them.
        """
        from .checkpoints import load, save
        from .loop import WEIGHTS, train

        places = {device: folder / safe_name(device) for device in self._devices(job)}
        if not job.resume:
            for stale in (folder, *places.values()):  # else an interrupted run would pass for a whole one
                (stale / WEIGHTS).unlink(missing_ok=True)
        network = network.to("cpu")
        states = {GENERAL: network.state_dict()}
        for device, place in places.items():
            own = copy.copy(self)
            own.name = f"{self.name}/{place.name}"
            if not (job.resume and (place / WEIGHTS).is_file()):
                train(own, copy.deepcopy(network), _of_device(job, device), place, callbacks)
            states[device] = load(place / WEIGHTS)
        save(
            {f"{device}/{key}": value for device, state in states.items() for key, value in state.items()},
            folder / WEIGHTS,
        )
        network.eval()  # a traced network's own eval() returns nothing
        return network

    def _devices(self, job: Job) -> list[str]:
        """Those with enough training clips, in alphabetical order."""
        named = job.crops.dataset.device[job.crops.rows].astype(str)
        devices, counts = np.unique(named[named != GENERAL], return_counts=True)
        if not len(devices):
            raise DataError(
                f"{self.name} trains a network for each device and the training clips name none; take data with a "
                "device column, or leave the stage out."
            )
        enough = devices[counts >= self.min_clips]
        if not len(enough):
            raise SettingError(
                f"{self.name}.min_clips is {self.min_clips}, and the device with most training clips, "
                f"{devices[counts.argmax()]}, has {counts.max()}; lower it, or leave the stage out."
            )
        return enough.tolist()


def networks_of(network: nn.Module, path: Path) -> dict[str, nn.Module]:
    """The networks of a PerDevice stage by device, the general one under "", in eval; `network` gives their form.

    Raises:
        ModelError: no such file, one of another stage, or one that does not fit `network`.
    """
    from .checkpoints import load

    states: dict[str, dict[str, Tensor]] = {}
    for name, value in load(path).items():
        device, parted, key = name.rpartition("/")
        if not parted:
            raise ModelError(f"{path} holds one network, not one for each device; name the weights of such a stage.")
        states.setdefault(device, {})[key] = value
    networks = {}
    for device, state in states.items():
        networks[device] = copy.deepcopy(network)
        try:
            networks[device].load_state_dict(state)
        except RuntimeError as error:
            raise ModelError(f"{path} does not fit the system: {str(error).splitlines()[0]}") from None
        networks[device].eval()
    return networks


def predict_per_device(
    networks: Mapping[str, Callable[[Tensor], Tensor]],
    devices: np.ndarray,
    finish: nn.Module,
    decide: nn.Module,
    store: ClipStore,
    rows: np.ndarray,
) -> np.ndarray:
    """As `predict`, each clip by the network of its device, (clip,), or by the general one where that has none."""
    from .job import predict

    chosen = np.asarray([device if device in networks else GENERAL for device in devices.astype(str)])
    parts = {name: np.flatnonzero(chosen == name) for name in np.unique(chosen)}
    made = {name: predict(networks[name], finish, decide, store, rows[own]) for name, own in parts.items()}
    result = np.empty((len(rows), next(iter(made.values())).shape[1]))
    for name, own in parts.items():
        result[own] = made[name]
    return result


def safe_name(device: str) -> str:
    """A device's name as that of a folder: itself if it is plain, else with what is not replaced and a hash behind."""
    if re.fullmatch(r"[a-z0-9_]{1,40}", device):  # lower case: some disks take A and a for one
        return device
    plain = re.sub(r"[^a-z0-9_]+", "_", device.lower())[:24]
    return f"{plain}-{hashlib.sha256(device.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def _of_device(job: Job, device: str) -> Job:
    """The same with that device's clips alone, to train on and to validate with."""
    from ..data import Crops

    of = job.crops.dataset.device.astype(str) == device
    old, rows = job.crops, job.crops.rows
    crops = Crops(old.store, old.dataset, rows[of[rows]], old.seed, old.wave)
    if old.teacher is not None:
        crops = crops.taught(old.teacher)
    if old.n_views:
        crops = crops.viewed(old.n_views, old.views_of)
    return replace(job, crops=crops, validation=job.validation[of[job.validation]])
