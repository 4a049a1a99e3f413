"""Model files with a card beside them: described, proven on real windows, written all together or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ModelError
from ..files import write_whole
from ..runtime.card_file import card_path, card_text
from ..runtime.decision import Fusion
from ..runtime.feature_model import FeatureModel
from ..runtime.model_file import ModelCard
from ..train import Decision
from .model_file import TOLERANCE, Export, card_of

# An int8 file of the simplest networks differs by nothing. Where a runtime rounds what lies half way between two steps
# the other way, in a network whose additions are full of such sums, it strays: how far is too far, beside the
# probabilities, which are level in an untrained network and would prove little.
MOST_OTHERWISE = 0.1  # of the windows, decided otherwise; one may be, as two classes can be level in it
MOST_OF_SPREAD = 0.5  # root mean squares: of the logits' difference, by that of their own from window to window
FEW_STEPS = 8  # of the 255 of the logits: never too far


def fusion_of(export: Export) -> Fusion:
    """The decision as numbers. Raises ModelError for one that is not train.Decision: no card can tell it."""
    decide = export.decide
    if not isinstance(decide, Decision):
        raise ModelError(
            f"{export.name} decides with {type(decide).__name__}; a file that gives logits can tell "
            "train.Decision alone. Export it as ONNX, which holds any decision."
        )
    share = decide.share if decide.group_weight else None
    return Fusion(
        decide.n_classes,
        decide.group_weight,
        () if share is None else tuple(tuple(float(value) for value in row) for row in share),
    )


def described(fusion: Fusion, takes: Mapping[str, Any], gives: Mapping[str, Any]) -> dict[str, Any]:
    """What a card tells of the file beside it; `takes` and `gives` are its tensors' shape, type, scale, zero point."""
    return {
        "input": {"name": "features", "axes": ["batch", "channel", "band", "frame"], **takes},
        "output": {"name": "logits", "axes": ["batch", "logit"], **gives},
        "quantised": "q = round(x / scale) + zero_point, halves to even, in -128..127; x = (q - zero_point) * scale",
        "features": "made from window_samples of audio as the numbers in 'frontend' say; tinyscene.runtime makes them",
        "decision": {
            "how": "softmax of the first n_classes logits, times 1 - group_weight, plus group_weight times shares "
            "(class, group) times the softmax of the other logits; then divided by their sum",
            **fusion.to_dict(),
        },
    }


@dataclass(frozen=True)
class Opened:
    """A file's network at work; `takes` and `gives` are its tensors as the card tells them, `step` as in `prove`."""

    model: FeatureModel
    takes: Mapping[str, Any]
    gives: Mapping[str, Any]
    step: float | None


def write_proven(
    export: Export,
    path: Path,
    waveforms: Tensor,
    compiled: Callable[[Export, Tensor], bytes],
    opened: Callable[[bytes, ModelCard, Fusion, Tensor, Tensor], Opened],
    more: Mapping[Path, str] | None = None,
) -> Path:
    """Compile a network, hold what the file says of `waveforms` to the network, and write it, its card and `more`.

    `compiled` is given a window's features; `opened` the bytes, their card and decision, all features and logits.
    Raises what they raise, ModelError where the file's answers differ, OutputError where the folder cannot be written;
    nothing is left behind.
    """
    fusion = fusion_of(export)
    with torch.no_grad():
        features = export.system.frontend.build().eval()(waveforms)
        logits = export.network(features)
        probabilities = export.decide(logits).numpy()
    data, card = compiled(export, features[:1]), card_of(export, "features")
    own = opened(data, card, fusion, features, logits)
    given = own.model.logits(features.numpy())
    proven = prove(export, path.suffix, given, fusion(given), (logits.numpy(), probabilities), own.step)
    told = card_text(card, data, {**described(fusion, own.takes, own.gives), "beside_the_network": proven})
    write_together({path: data, Path(card_path(path)): told, **(more or {})})
    return path


def prove(
    export: Export,
    kind: str,
    logits: np.ndarray,
    probabilities: np.ndarray,
    expected: tuple[np.ndarray, np.ndarray],
    step: float | None,
) -> dict[str, float]:
    """How far a file's answers lie from the network's `expected` (logits, probabilities), as its card tells it.

    Raises ModelError where that is too far: a probability; with int8 logits, of which one step stands for `step`
    (None where they are float), also the classes, and the logits by what they tell the windows apart by.
    """
    apart, others = np.abs(probabilities - expected[1]), probabilities.argmax(1) != expected[1].argmax(1)
    worst, allowed = float(apart.max()), TOLERANCE[export.precision]
    facts = {"windows": len(logits), "same_class": int(len(logits) - others.sum()), "largest_difference": worst}
    too_far = "" if worst <= allowed * (1 + 1e-6) else f"by {worst:.4f} of probability, at most {allowed} is allowed"
    if step:
        strayed = logits - expected[0]
        spread = np.sqrt(np.mean((expected[0] - expected[0].mean(0)) ** 2))
        steps, share = float(np.abs(strayed).max()) / step, float(np.sqrt(np.mean(strayed**2)) / max(spread, 1e-30))
        facts["largest_difference_steps"] = steps
        if not too_far and others.sum() > max(1, MOST_OTHERWISE * len(others)):
            too_far = f"in the class of {others.sum()} of {len(others)} windows, at most one in ten is allowed"
        if not too_far and not (steps <= FEW_STEPS * (1 + 1e-6) or share <= MOST_OF_SPREAD):
            too_far = (
                f"by {steps:.0f} steps of its int8 logits, {share:.2f} of what tells the windows apart, at most "
                f"{FEW_STEPS} steps or {MOST_OF_SPREAD} is allowed"
            )
    if too_far:
        older = "If an older tinyscene made its int8 stage, make that again. " if export.precision == "int8" else ""
        raise ModelError(
            f"the exported {kind} file differs from the network {too_far}; it was not written. {older}Export it as "
            "ONNX, and please report this with the system file."
        )
    return facts


def write_together(files: Mapping[Path, bytes | str]) -> None:
    """Write all of `files`, or none: what was written before one that fails is taken away, older files come back.

    Raises:
        OutputError: the folder is missing or cannot be written, or the disk is full.
    """
    older = {path: path.with_name(f".{path.name}.{os.getpid()}.older") for path in files}
    done: list[Path] = []
    try:
        for path, content in files.items():
            if path.exists():
                with contextlib.suppress(OSError):  # a folder that cannot be written fails just below
                    os.link(path, older[path])
            write_whole(path, content)
            done.append(path)
    except BaseException:
        for path in done:
            if older[path].exists():
                os.replace(older[path], path)
            else:
                path.unlink(missing_ok=True)
        raise
    finally:
        for path in older.values():
            path.unlink(missing_ok=True)


def failed(export: Export, kind: str, error: Exception) -> ModelError:
    """The one line for a network that a converter refuses."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return ModelError(
        f"{export.name} cannot be converted to {kind} ({reason[:300]}). Export it as ONNX, and please report this with "
        "the system file."
    )
