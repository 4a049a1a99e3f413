"""Writes the one model file: exported, made small, described, compared with eager, sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from .. import __version__
from ..errors import ModelError, SettingError
from ..evaluate import without_layers
from ..files import write_whole
from ..runtime.model_file import ModelCard, sealed
from ..system import System
from .graph import Deployed, traced
from .slimming import slim

FORMS = ("features", "waveform")
# Largest difference of a probability between file and eager network. An int8 file may round a value that lies
# half way between two steps the other way, and each such step travels on through the layers.
TOLERANCE = {"float32": 1e-4, "float16": 1e-4, "int8": 0.05}


@dataclass(frozen=True)
class Export:
    """What is exported: a network that is ready for inference (folded, or converted to int8) and its surroundings."""

    name: str
    system: System
    labels: tuple[str, ...]
    network: nn.Module
    decide: nn.Module
    precision: str  # "float32", "float16" or "int8"
    complexity: dict[str, Any]
    claims: dict[str, Any]
    temperature: float = 1.0  # fitted on held-out training clips; the runtime divides by it
    unknown_below: float = 0.0
    weights: str = ""  # checksum of the file they come from


def write_model(export: Export, form: str, path: Path, waveforms: Tensor) -> Path:
    """Write the model file and return its path; `waveforms` (2 or more, window_samples) are what it is proven on.

    Raises:
        SettingError: an unknown form.
        ModelError: the file's answers on `waveforms` differ from the network's; nothing is written.
        OutputError: the folder cannot be written; nothing is left behind.
    """
    if form not in FORMS:
        raise SettingError(f"--form takes {' or '.join(FORMS)}; '{form}' came.")
    front_end = export.system.frontend.build().eval()
    with torch.no_grad():
        features = front_end(waveforms)
        expected = export.decide(export.network(features)).numpy()
    example = features if form == "features" else waveforms
    deployed = Deployed(export.network, export.decide, None if form == "features" else front_end).eval()
    model = slim(traced(deployed, example[:2], form), half=export.precision == "float16")
    for key, value in card_of(export, form).metadata().items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    data = sealed(model.SerializeToString())
    _compare(data, form, example.numpy(), expected, export.precision)
    write_whole(path, data)
    return path


def card_of(export: Export, form: str) -> ModelCard:
    """What a file of `export` says of itself."""
    system = export.system
    return ModelCard(
        name=export.name,
        system=system.name,
        version=__version__,
        form=form,
        precision=export.precision,
        labels=export.labels,
        sample_rate_hz=system.task.sample_rate_hz,
        window_samples=system.window_samples,
        channels=system.task.channels,
        frontend=system.frontend.constants() if form == "features" else {},
        claims=export.claims,
        complexity=without_layers(export.complexity),
        hop_samples=round((system.inference.hop_s or 0) * system.task.sample_rate_hz),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        temperature=export.temperature,
        unknown_below=export.unknown_below,
        quiet_db=system.inference.quiet_db,
        weights=export.weights,
    )


def _compare(data: bytes, form: str, example: np.ndarray, expected: np.ndarray, precision: str) -> None:
    tolerance = TOLERANCE[precision]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    # One by one and all at once: a device asks for single windows, an archive for many.
    singles = [np.asarray(session.run(["probabilities"], {form: one})[0]) for one in np.split(example, len(example))]
    for answers in (np.concatenate(singles), session.run(["probabilities"], {form: example})[0]):
        apart = np.abs(answers - expected).max(axis=1)
        # Features made in the file differ in their last bit, which may move a cell of an int8 network by a step: in an
        # unsure window that shows, in the mean of all a fault would have to.
        worst = float(apart.mean() if form == "waveform" and precision == "int8" else apart.max())
        if not worst <= tolerance:
            raise ModelError(
                f"the exported file differs from the network by {worst:.4f} of probability, at most {tolerance} is "
                "allowed; it was not written. Please report this with the system file."
            )
