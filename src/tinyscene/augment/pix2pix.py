"""pix2pix (report 000, section 2.3.2): clips of one device as a trained generator imagines them on others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..batch import Batch
from ..errors import SettingError, within
from ..nn.device_translator import DeviceTranslator, read_translator
from ..spec import Spec

CLIPS_AT_ONCE = 16  # through the generator: its inner maps are large


@dataclass(frozen=True)
class Pix2pixDraw:
    """Which clips are generated anew, (batch,) bool."""

    chosen: np.ndarray


class Pix2pix:
    """(batch, channel, band, frame): clips of the main device become what the generator makes of them; targets stay.

    Args:
        weights: file of a generator, written by `tinyscene augment train-pix2pix`; read at the first use. "" has each
            run train its own, from its training clips, before its first stage.
        p: share of the main device's clips that are generated, 0..1.
        main: the device that the generator was trained from; a batch that tells no devices is all of it.
        others: the devices that a run's own generator imagines.
        training: Spec of Pix2PixSettings (train/pix2pix_fit.py), how a run trains its own; None: as these are.
    """

    places = ("features", "bands")

    def __init__(
        self,
        weights: str = "",
        p: float = 0.5,
        main: str = "a",
        others: tuple[str, ...] = ("s1", "s2", "s3"),
        training: Spec | None = None,
    ):
        within("Pix2pix.p", p, 0, 1)
        if weights and not Path(weights).expanduser().is_file():
            read_translator(Path(weights).expanduser(), "Pix2pix.weights")  # says so
        self.weights, self.p, self.main, self.others, self.training = weights, p, main, others, training
        self._translator: DeviceTranslator | None = None

    @property
    def translator(self) -> DeviceTranslator:
        """The generator. Raises ModelError for a file that is none."""
        if not self.weights:
            raise SettingError(
                "Pix2pix.weights takes a generator's file; train one with: tinyscene augment train-pix2pix."
            )
        if self._translator is None:
            self._translator = read_translator(Path(self.weights).expanduser(), "Pix2pix.weights")
        return self._translator

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_translator": None}  # another process reads the file for itself

    def draw(self, batch: Batch, rng: np.random.Generator) -> Pix2pixDraw:
        chosen = rng.random(len(batch.x)) < self.p
        return Pix2pixDraw(chosen & (np.asarray(batch.device) == self.main) if batch.device else chosen)

    @torch.no_grad()
    def apply(self, batch: Batch, params: Pix2pixDraw) -> Batch:
        rows = np.flatnonzero(params.chosen)
        if not len(rows):
            return batch
        translator = self.translator.to(batch.x.device)
        channels = translator.numbers["channels"]
        if batch.x.shape[1] != channels:
            raise SettingError(
                f"Pix2pix.weights: {self.weights} was trained on features of {channels} channel(s); "
                f"{batch.x.shape[1]} came. Train one on the features of this system."
            )
        x = batch.x.clone()
        for some in np.array_split(rows, -(-len(rows) // CLIPS_AT_ONCE)):
            index = torch.as_tensor(some, device=x.device)
            x[index] = translator(x[index].float()).to(x.dtype)
        return replace(batch, x=x)
