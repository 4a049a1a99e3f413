"""A temperature for a stage's probabilities, fitted on training clips that were held out of its training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ModelError, command
from ..evaluate import Predictions
from ..evaluate.temperature import at_temperature, fit_temperature
from ..train import Stage
from .evaluating import held_out_predictions, measured
from .exporting import TEMPERATURE
from .preparing import Prepared
from .run_folder import write_json


@dataclass(frozen=True)
class Calibrated:
    """The temperature, how many clips it was fitted on, and the figures of the test clips without and with it."""

    temperature: float
    n: int
    before: dict[str, Any]
    after: dict[str, Any]


def calibrate(prepared: Prepared, folder: Path, stage: Stage, unknown_below: float = 0.0) -> Calibrated:
    """Fit, measure and write RUN/STAGE/temperature.json and predictions-calibrated.csv.

    The next export of the stage holds the temperature and `unknown_below`, the confidence below which a live scene is
    unknown.

    Raises:
        SettingError: the stage held no clips out.
        ModelError: its test clips were not measured yet.
    """
    own = folder / stage.name
    if not (own / "predictions.csv").is_file():
        raise ModelError(f"{own} has no predictions yet; measure them first: {command('evaluate', folder)}")
    held_out = held_out_predictions(prepared, folder, stage)
    t = fit_temperature(held_out.probabilities, held_out.target)
    before = Predictions.read_csv(own / "predictions.csv")
    after = replace(before, probabilities=at_temperature(before.probabilities, t))
    after.write_csv(own / "predictions-calibrated.csv")
    write_json(own / TEMPERATURE, {"temperature": t, "unknown_below": unknown_below, "fitted_on": len(held_out)})
    return Calibrated(t, len(held_out), measured(prepared, before), measured(prepared, after))
