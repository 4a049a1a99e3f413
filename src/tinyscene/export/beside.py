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

# An int8 runtime may round a value that lies half way between two steps the other way, and each such step travels on
# through the layers. Untrained networks tell all classes alike, so probabilities alone would prove little.
MOST_STEPS = 8  # of the 255 of the logits


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
    prove(export, path.suffix, given, fusion(given), (logits.numpy(), probabilities), own.step)
    told = card_text(card, data, described(fusion, own.takes, own.gives))
    write_together({path: data, Path(card_path(path)): told, **(more or {})})
    return path


def prove(
    export: Export,
    kind: str,
    logits: np.ndarray,
    probabilities: np.ndarray,
    expected: tuple[np.ndarray, np.ndarray],
    step: float | None,
) -> None:
    """ModelError where a file's answers differ from the network's `expected` (logits, probabilities).

    `step` is what one step of its int8 logits stands for, None where they are float.
    """
    worst, allowed = float(np.abs(probabilities - expected[1]).max()), TOLERANCE[export.precision]
    unit = "of probability"
    if worst <= allowed and step:
        worst, allowed, unit = float(np.abs(logits - expected[0]).max()) / step, MOST_STEPS, "steps of its int8 logits"
    if not worst <= allowed * (1 + 1e-6):
        raise ModelError(
            f"the exported {kind} file differs from the network by {worst:.4f} {unit}, at most {allowed} is allowed; "
            "it was not written. Please report this with the system file."
        )


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
