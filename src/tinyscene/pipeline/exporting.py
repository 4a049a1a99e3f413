"""A stage of a run as a model file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..audio import read_audio, resample
from ..compress import converted, fold
from ..errors import ModelError, SettingError, command, unknown
from ..evaluate import Predictions, count_complexity, measure
from ..evaluate.temperature import at_temperature
from ..export import Export, write_model
from ..runtime import cut_windows
from ..train import WEIGHTS, Stage
from .preparing import Prepared
from .recipe import base_of, stages_of
from .stages import finished_stages, restore

EVALUATION, TEMPERATURE = "evaluation.json", "temperature.json"
FORMATS = ("onnx", "tflite", "pte")
N_PROOF = 8  # windows on which the file is compared with the network before it is written


def export_run(
    prepared: Prepared, folder: Path, form: str, stage_name: str | None = None, format: str = FORMATS[0]
) -> Path:
    """Write RUN/SYSTEM-STAGE-FORM.FORMAT and return its path; by default of the stage that ended last.

    .tflite and .pte files take features alone; their card lies beside them (`runtime.card_file`).

    Raises:
        SettingError: no such stage, form or format, or a form that the format has not.
        MissingExtraError: the format's libraries are not installed.
        ModelError: nothing is trained yet, the network cannot be converted, or the file disagrees with it.
    """
    if format not in FORMATS:
        raise unknown("tinyscene export", "format", format, FORMATS)
    if format != "onnx" and form != "features":
        raise SettingError(f"--format {format} takes --form features: the device makes them; '{form}' came.")
    export = export_of(prepared, folder, stage_name)
    name = export.name.removeprefix(f"{prepared.system.name}-")
    path, windows = model_path(prepared, folder, name, form, format), proof_windows(prepared)
    if format == "tflite":
        from ..export.litert import write_litert

        return write_litert(export, path, windows)
    if format == "pte":
        from ..export.executorch import write_executorch

        return write_executorch(export, path, windows)
    return write_model(export, form, path, windows)


def export_of(prepared: Prepared, folder: Path, stage_name: str | None = None) -> Export:
    """What is written of a stage, by default of the last that has ended: its network, made ready, and its card's facts.

    Raises:
        SettingError: no such stage. ModelError: nothing is trained yet.
    """
    stages = {stage.name: stage for stage in finished_stages(prepared, folder)}
    restore(prepared, folder)  # says so if nothing is trained
    name = stage_name or list(stages)[-1]
    if name not in stages:
        raise unknown(str(folder), "finished stage", name, stages)
    stage = stages[name]
    network = restore(prepared, folder, stage)
    if stage.precision == "int8":
        network = converted(network)  # type: ignore[arg-type]
    else:
        network = fold(network)
    if stage.precision == "float16":
        network = network.half().float()  # folded weights are stored in 16 bits too: the file's answers are these
    return Export(
        name=f"{prepared.system.name}-{name}",
        system=prepared.system,
        labels=prepared.dataset.classes,
        network=network,
        decide=prepared.decide,
        precision=stage.precision,
        complexity=stage_complexity(prepared, folder, stage),
        claims=_measured(folder, name, prepared),
        weights=weights_checksum(folder / name),
        **calibration(folder, name),
    )


def weights_checksum(stage_folder: Path) -> str:
    """What a model file's card says of the weights in a stage's folder: copies and clocks do not change it."""
    return hashlib.sha256((stage_folder / WEIGHTS).read_bytes()).hexdigest()[:16]


def model_path(prepared: Prepared, folder: Path, stage: str, form: str, format: str = FORMATS[0]) -> Path:
    """Where a stage's model file of one form and format lies: RUN/SYSTEM-STAGE-FORM.FORMAT."""
    return folder / f"{prepared.system.name}-{stage}-{form}.{format}"


def stage_complexity(prepared: Prepared, folder: Path, stage: Stage) -> dict[str, Any]:
    """Counts of a stage's network; bytes are those of the form it is stored in."""
    example, window_s = prepared.example()[:1], prepared.system.task.window_s
    if stage.precision != "int8":
        network = restore(prepared, folder, stage)
        return count_complexity(network, example, window_s, half=stage.precision == "float16")
    base = restore(prepared, folder, base_of(stages_of(prepared.system), stage))
    return count_complexity(base, example, window_s, fold(base))


def calibration(folder: Path, stage: str) -> dict[str, float]:
    """Temperature and least confidence that `tinyscene calibrate` wrote for this stage; empty without.

    Raises:
        ModelError: the file is broken.
    """
    path = folder / stage / TEMPERATURE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return {key: float(facts[key]) for key in ("temperature", "unknown_below")}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path} cannot be read ({error}); run `{command('calibrate', folder)}` again.") from None


def proof_windows(prepared: Prepared) -> torch.Tensor:
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
    """What `tinyscene evaluate` measured of this stage, if it was run, at the temperature that the file will have."""
    try:
        figures = json.loads((folder / EVALUATION).read_text())["stages"][stage]
    except (OSError, ValueError, KeyError):
        return {}
    if found := calibration(folder, stage):
        said = Predictions.read_csv(folder / stage / "predictions.csv")
        figures |= measure(replace(said, probabilities=at_temperature(said.probabilities, found["temperature"])))
    keys = ("n", "accuracy", "macro_accuracy", "log_loss")
    return {"data": prepared.dataset.name, "split": prepared.split.how} | {key: figures[key] for key in keys}
