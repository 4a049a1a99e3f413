"""A system's recipe shortened: every number that counts epochs, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from ..errors import SettingError
from ..spec import Spec
from ..system import System
from .generators import with_trainings


def scaled_epochs(system: System, scale: float) -> System:
    """The system with each number of epochs in its recipe and augmentations times `scale`, rounded, 1 at least.

    A number counts epochs where its field is `epochs` or ends in `_epochs`, at any depth, written or a default; 0 and
    None stay. The training of a pix2pix generator counts too, written down or not. Since all shrink alike, what lay
    within a stage still does.

    Args:
        scale: above 0, up to 1.

    Raises:
        SettingError: another scale.
    """
    if not 0 < scale <= 1:
        raise SettingError(f"the scale of epochs takes a number above 0, up to 1; {scale} came.")
    system = with_trainings(system)
    augment = {place.name: _shortened(getattr(system.augment, place.name), scale) for place in fields(system.augment)}
    return system.but(recipe=_shortened(system.recipe, scale), augment=replace(system.augment, **augment))


def _shortened(value: Any, scale: float) -> Any:
    """A Spec, or a tuple that may hold some, with its epochs scaled; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(_shortened(item, scale) for item in value)
    if not isinstance(value, Spec):
        return value
    old = value.fields
    new = {key: (_scaled if _counts_epochs(key) else _shortened)(item, scale) for key, item in old.items()}
    return value.but(**{key: item for key, item in new.items() if item != old[key]})


def _counts_epochs(field: str) -> bool:
    return field == "epochs" or field.endswith("_epochs")


def _scaled(value: Any, scale: float) -> Any:
    if isinstance(value, tuple):
        return tuple(_scaled(item, scale) for item in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        return value
    return max(1, round(value * scale)) if isinstance(value, int) else max(1.0, value * scale)
