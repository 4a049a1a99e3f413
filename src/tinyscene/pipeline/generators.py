"""Where the generator lies that a run trained for its Pix2pix augmentations, and which of them wait for one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..augment import Pix2pix
from ..spec import Spec
from ..system import System
from ..train.pix2pix_fit import Pix2PixSettings

GENERATOR = "pix2pix.pt"


def found_generators(system: System, folder: Path) -> System:
    """The system with the generators that lie in the run's folder."""
    for place, i, _ in untrained(system):
        if (folder / GENERATOR).is_file():
            system = with_weights(system, place, i, folder / GENERATOR)
    return system


def untrained(system: System) -> list[tuple[str, int, Spec]]:
    """Place and position of each Pix2pix that is used and names no generator."""
    return [
        (place, i, spec)
        for place in Pix2pix.places
        for i, spec in enumerate(getattr(system.augment, place))
        if spec.target is Pix2pix and not spec.fields["weights"] and spec.fields["p"]
    ]


def with_weights(system: System, place: str, i: int, path: Path) -> System:
    """The system with the generator of `path` in the Pix2pix at that place."""
    return _changed(system, place, i, weights=str(path))


def with_trainings(system: System) -> System:
    """The system with the settings written down by which each such Pix2pix trains its own, where it has None."""
    for place, i, spec in untrained(system):
        if spec.fields["training"] is None:
            system = _changed(system, place, i, training=Spec(Pix2PixSettings))
    return system


def _changed(system: System, place: str, i: int, **numbers: Any) -> System:
    specs = list(getattr(system.augment, place))
    specs[i] = specs[i].but(**numbers)
    return system.but(augment=replace(system.augment, **{place: tuple(specs)}))
