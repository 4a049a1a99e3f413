"""A system as a run has it: settings, other devices, shortened, on all data, with stages that compress added."""

from __future__ import annotations

from ..system import System
from .robust import heard_through, robust
from .run_folder import RunRecord
from .scaling import scaled_epochs


def configured(system: System, record: RunRecord) -> System:
    """`system` with all that the run's record changes in it.

    Raises:
        SettingError: a setting that the system does not have, or out of range.
    """
    if record.robust:
        system = robust(system, record.responses)
    elif record.responses is not None:
        system = heard_through(system, record.responses)
    system = system.with_settings(record.settings)
    if record.epochs_scale != 1:
        system = scaled_epochs(system, record.epochs_scale)
    for stage in record.added:
        from .standard_stages import standard_stage

        system = system.but(recipe=(*system.recipe, standard_stage(system, **stage)))
    return system.with_settings(record.compress_settings).but(whole=system.whole or record.whole)
