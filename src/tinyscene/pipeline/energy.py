"""Kilowatt-hours of training and inference, as the packages of 2023 ask for them: RUN/energy.json."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

from ..errors import missing_extra
from .run_folder import write_json

ENERGY = "energy.json"
MOST = 1e9  # kWh


def read_energy(folder: Path) -> dict[str, float]:
    """{"training": kWh, "inference": kWh}, as far as it was measured; what is no number of kWh is left aside."""
    try:
        known = json.loads((folder / ENERGY).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    found = known.items() if isinstance(known, dict) else ()
    return {key: spent for key, spent in found if type(spent) in (int, float) and 0 <= spent < MOST}


@contextlib.contextmanager
def measured_energy(folder: Path, what: str, wanted: bool = True) -> Iterator[None]:
    """Measure what runs inside with codecarbon and keep it in the run: training adds up over resumes and stages, what
    was interrupted too; inference is written anew, once it has ended.

    Where the machine has no power meter that may be read, codecarbon estimates from the processor's type.

    Raises:
        MissingExtraError: codecarbon is not installed.
    """
    if not wanted:
        yield
        return
    try:
        from codecarbon import OfflineEmissionsTracker  # type: ignore  # an extra
    except ModuleNotFoundError:
        raise missing_extra("--energy", "energy", "codecarbon") from None
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The country decides grams of CO2, which nobody asks for; no measurement leaves the machine.
        tracker = OfflineEmissionsTracker(
            country_iso_code="FIN", save_to_file=False, log_level="error", allow_multiple_runs=True
        )
        tracker.start()
        ended = False
        try:
            yield
            ended = True
        finally:
            tracker.stop()
            known = read_energy(folder)
            spent = float(tracker.final_emissions_data.energy_consumed)
            if what == "training":
                known[what] = spent + known.get(what, 0.0)
            elif ended:  # half an evaluation says nothing of a whole one
                known[what] = spent
            if folder.is_dir():
                write_json(folder / ENERGY, known)
