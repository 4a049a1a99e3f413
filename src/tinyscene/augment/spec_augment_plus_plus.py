"""SpecAugment++ (Wang et al. 2021) as in report 004: stripes mixed with another clip, at input and hidden layers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..batch import Batch
from ..errors import SettingError, within
from .stripes import covered


@dataclass(frozen=True)
class SpecAugmentPlusPlusDraw:
    """First index and width of each stripe, (batch, masks), along bands and frames; width 0 where nothing is masked.

    `partner` is the clip that each one is mixed with, (batch,): never itself, unless it is alone.
    """

    band_start: np.ndarray
    band_width: np.ndarray
    frame_start: np.ndarray
    frame_width: np.ndarray
    partner: np.ndarray


class SpecAugmentPlusPlus:
    """(batch, channel, band, frame), of features or of a layer inside the network: stripes half own, half another's.

    Report 004, section 3: a time mask of width t ~ U(0, t') and a band mask of width f ~ U(0, f'), the upper bound left
    out as in the reference code; another clip of the batch, drawn for each, gives the other half. Targets are not
    mixed. Widths are shares of an axis, so one part serves every layer.

    Args:
        at: where it acts at the place `hidden`: "input" and dotted names of layers, whose output it changes.
        band_masks, frame_masks: stripes along each axis.
        band_share, frame_share: the bound of their widths, as shares of the axis, 0..1.
        mode: "mixture", or "zero", which makes no clip depend on another: the form for test time.
        p: share of the clips that are changed, 0..1.
        frame_axis: which axis counts frames in the layers that `at` names: -1 the last, -2 the one before. The input
            and finished features have theirs last.
    """

    places = ("hidden", "features")

    def __init__(
        self,
        at: tuple[str, ...] = ("input",),
        band_masks: int = 2,
        band_share: float = 32 / 256,
        frame_masks: int = 2,
        frame_share: float = 8 / 44,
        mode: str = "mixture",
        p: float = 0.5,
        frame_axis: int = -1,
    ):
        within("SpecAugmentPlusPlus.band_masks", band_masks, 0)
        within("SpecAugmentPlusPlus.frame_masks", frame_masks, 0)
        within("SpecAugmentPlusPlus.band_share", band_share, 0, 1)
        within("SpecAugmentPlusPlus.frame_share", frame_share, 0, 1)
        within("SpecAugmentPlusPlus.p", p, 0, 1)
        if mode not in ("mixture", "zero"):
            raise SettingError(f"SpecAugmentPlusPlus.mode takes 'mixture' or 'zero'; '{mode}' came.")
        if frame_axis not in (-1, -2):
            raise SettingError(f"SpecAugmentPlusPlus.frame_axis takes -1 or -2; {frame_axis} came.")
        if not at or isinstance(at, str):
            raise SettingError(f"SpecAugmentPlusPlus.at takes names such as ('input', 'blocks.0'); {at!r} came.")
        self.at, self.mode, self.p, self.frame_axis = tuple(at), mode, p, frame_axis
        self.band_masks, self.band_share = band_masks, band_share
        self.frame_masks, self.frame_share = frame_masks, frame_share

    def draw(self, batch: Batch, rng: np.random.Generator) -> SpecAugmentPlusPlusDraw:
        n, _, n_bands, n_frames = batch.x.shape
        band = _stripes(rng, n, self.band_masks, self.band_share, n_bands)
        frame = _stripes(rng, n, self.frame_masks, self.frame_share, n_frames)
        chosen = (rng.random(n) < self.p)[:, None]
        partner = (np.arange(n) + rng.integers(1, max(2, n), n)) % n
        return SpecAugmentPlusPlusDraw(band[0], band[1] * chosen, frame[0], frame[1] * chosen, partner)

    def apply(self, batch: Batch, params: SpecAugmentPlusPlusDraw) -> Batch:
        x = batch.x
        bands = covered(params.band_start, params.band_width, x.shape[-2], x.device)
        frames = covered(params.frame_start, params.frame_width, x.shape[-1], x.device)
        masked = bands[:, None, :, None] | frames[:, None, None, :]
        if self.mode == "mixture":
            other = 0.5 * (x + x[torch.as_tensor(params.partner, device=x.device)])
        else:
            other = torch.zeros((), dtype=x.dtype, device=x.device)
        return replace(batch, x=torch.where(masked, other, x))


def _stripes(rng: np.random.Generator, n: int, masks: int, share: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    bound = max(1, round(share * size))  # left out: a bound of 1 draws width 0 only
    width = rng.integers(0, bound, (n, masks))
    return rng.integers(0, size - width + 1), width
