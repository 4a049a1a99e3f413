"""A system as a run has it: settings, robust training, shortened, on all data, with stages that compress added."""

from __future__ import annotations

from ..system import System
from .robust import robust
from .run_folder import RunRecord
from .scaling import scaled_epochs


def configured(system: System, record: RunRecord) -> System:
    """`system` with all that the run's record changes in it.

    Raises:
        SettingError: a setting that the system does not have, or out of range.
    """
    if record.robust is not None:
        system = robust(system, record.robust or None)
    system = system.with_settings(record.settings)
    if record.epochs_scale != 1:
        system = scaled_epochs(system, record.epochs_scale)
    for stage in record.added:
        from .standard_stages import standard_stage

        system = system.but(recipe=(*system.recipe, standard_stage(system, **stage)))
    return system.with_settings(record.compress_settings).but(whole=system.whole or record.whole)
