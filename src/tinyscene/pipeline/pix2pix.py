"""A pix2pix generator for a system's features: aligned clips of a data set, training, pictures of what it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import ClipStore
from ..errors import OutputError
from ..evaluate import draw_spectrograms
from ..files import make_folder, write_whole
from ..frontends import FrontEnd
from ..nn.device_translator import read_translator
from ..train.pix2pix_fit import Pix2PixSettings, aligned_pairs, fit_pix2pix
from .generators import GENERATOR, untrained, with_trainings, with_weights
from .preparing import Prepared

HELD_OUT = 0.1  # of the segments: they measure and are shown
_CHOICE = 0x5E6


class FeaturePairs:
    """Finished features of the windows of aligned clips, (channel, band, frame) each: main device, other device."""

    def __init__(self, store: ClipStore, front_end: FrontEnd, rows: list[tuple[int, int]]):
        self.store, self.finish = store, front_end.finish
        lengths = [min(len(store[one]), len(store[other])) for one, other in rows]
        self.index = [(*pair, i) for pair, n in zip(rows, lengths, strict=True) for i in range(n)]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        one, other, window = self.index[i]
        with torch.inference_mode():
            maps = self.finish(torch.from_numpy(np.stack([self.store[row][window] for row in (one, other)])))
        source, target = maps.numpy()
        return source, target


def train_pix2pix(
    prepared: Prepared,
    out: Path,
    settings: Pix2PixSettings,
    main: str = "a",
    others: tuple[str, ...] = ("s1", "s2", "s3"),
    accelerator: str = "auto",
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Train a generator from the training split; writes `out` and OUT.png; returns the picture and the last epoch.

    A tenth of the segments is held out of training: on them the distances are measured and the picture is made.

    Raises:
        OutputError: `out` is there already.
        DataError: no clips of one moment on the main device and on another.
    """
    if out.exists() and not resume:
        raise OutputError(f"{out} exists already; choose another --out, or delete it.")
    own = prepared.dataset.take(prepared.split.train)
    rows = aligned_pairs(list(own.device), list(own.segment), main, others)
    store = prepared.store(prepared.split.train, "windows")
    # A clip of a second says of which ten it is: those of ten seconds are held out together.
    segment = ["-".join(name.split("-")[:4]) for name in own.segment]
    segments = sorted({segment[row] for row, _ in rows})
    n_held = max(1, round(HELD_OUT * len(segments))) if len(segments) > 1 else 0
    held = set(np.random.default_rng([_CHOICE, prepared.seed]).permutation(segments)[:n_held].tolist())
    training, shown = (
        FeaturePairs(store, prepared.front_end, [pair for pair in rows if (segment[pair[0]] in held) == inside])
        for inside in (False, True)
    )
    facts = {"system": prepared.system.name, "data": prepared.dataset.name, "main": main, "others": list(others)}
    make_folder(out.parent, "Choose another --out.")
    history = fit_pix2pix(training, shown, out, settings, prepared.seed, accelerator, resume, facts, progress)
    picture = out.with_suffix(".png")
    write_whole(picture, draw_examples(shown if len(shown) else training, out))
    return picture, history[-1]


def own_generators(prepared: Prepared, folder: Path) -> Prepared:
    """The same with the generators that its Pix2pix augmentations train for themselves, kept in the run's folder.

    Raises:
        DataError: the training clips have no such devices.
    """
    for place, i, spec in untrained(with_trainings(prepared.system)):
        out = folder / GENERATOR
        if not out.is_file():
            settings = spec.fields["training"].build()
            devices = spec.fields["main"], spec.fields["others"]
            with prepared.progress("train pix2pix") as report:
                train_pix2pix(prepared, out, settings, *devices, resume=True, progress=report)
        prepared = replace(prepared, system=with_weights(prepared.system, place, i, out))
    return prepared


def draw_examples(pairs: FeaturePairs, weights: Path) -> bytes:
    """Real, generated and target of a pair, as figure 3 of report 000: PNG."""
    translator = read_translator(weights, "pix2pix")
    source, target = pairs[len(pairs) // 2]
    with torch.inference_mode():
        made = translator(torch.from_numpy(source)[None])[0].numpy()
    main, others = translator.facts.get("main", "main device"), ", ".join(translator.facts.get("others", []))
    maps = {f"real: device {main}": source[0], "generated": made[0], f"target: one of {others}": target[0]}
    return draw_spectrograms("pix2pix on a segment that was held out of its training", maps, "features")
