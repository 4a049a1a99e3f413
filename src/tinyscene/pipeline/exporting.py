"""A run's last stage as a model file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..audio import read_audio, resample
from ..compress import converted, fold
from ..errors import SettingError, unknown
from ..evaluate import count_complexity, without_layers
from ..export import Export, write_model
from ..runtime import cut_windows
from ..train import Fit
from .preparing import Prepared
from .stages import finished_stages, restore_float, restore_int8

EVALUATION = "evaluation.json"
N_PROOF = 8  # windows on which the file is compared with the network before it is written


def export_run(prepared: Prepared, folder: Path, form: str, stage_name: str | None = None) -> Path:
    """Write RUN/SYSTEM-STAGE-FORM.onnx and return its path; by default of the last stage that has ended.

    Raises:
        SettingError: no such stage or form.
        ModelError: nothing is trained yet, or the file disagrees with the network.
    """
    stages = {stage.name: stage for stage in finished_stages(prepared, folder)}
    restore_float(prepared, folder)  # says so if nothing is trained
    name = stage_name or list(stages)[-1]
    if name not in stages:
        raise unknown(str(folder), "finished stage", name, stages)
    stage = stages[name]
    if stage.compresses:
        network, precision = converted(restore_int8(prepared, folder, stage)), "int8"
    else:
        network, precision = fold(restore_float(prepared, folder, stage)), "float32"
    export = Export(
        name=f"{prepared.system.name}-{name}",
        system=prepared.system,
        labels=prepared.dataset.classes,
        network=network,
        decide=prepared.decide,
        precision=precision,
        complexity=without_layers(stage_complexity(prepared, folder, stage)),
        claims=_measured(folder, name, prepared),
    )
    return write_model(export, form, model_path(prepared, folder, name, form), _proof(prepared))


def model_path(prepared: Prepared, folder: Path, stage: str, form: str) -> Path:
    """Where a stage's model file of one form lies: RUN/SYSTEM-STAGE-FORM.onnx."""
    return folder / f"{prepared.system.name}-{stage}-{form}.onnx"


def stage_complexity(prepared: Prepared, folder: Path, stage: Fit) -> dict[str, Any]:
    """Counts of a stage's network; a compressed one's bytes are those of its int8 form."""
    network = restore_float(prepared, folder, None if stage.compresses else stage)
    int8_form = fold(network) if stage.compresses else None
    return count_complexity(network, prepared.example()[:1], prepared.system.task.window_s, int8_form)


def _proof(prepared: Prepared) -> torch.Tensor:
    """Real windows, (N_PROOF, window_samples): the first of as many test clips, or of one clip again and again."""
    system, windows = prepared.system, []
    rows = prepared.split.test
    for row in rows[:: max(1, len(rows) // N_PROOF)][:N_PROOF]:
        waveform, rate = read_audio(prepared.dataset.root / prepared.dataset.files[row], system.task.channels)
        waveform = resample(waveform, rate, system.task.sample_rate_hz)
        windows.append(torch.from_numpy(cut_windows(waveform, system.window_samples)[0]))
    if not windows:
        raise SettingError(f"{prepared.dataset.name} has no test clips to prove the export on.")
    return torch.stack((windows * 2)[: max(2, len(windows))])


def _measured(folder: Path, stage: str, prepared: Prepared) -> dict[str, Any]:
    """What `tinyscene evaluate` measured of this stage, if it was run: the file says no figure of its own."""
    try:
        figures = json.loads((folder / EVALUATION).read_text())["stages"][stage]
    except (OSError, ValueError, KeyError):
        return {}
    keys = ("n", "accuracy", "macro_accuracy", "log_loss")
    return {"data": prepared.dataset.name, "split": prepared.split.how} | {key: figures[key] for key in keys}
