"""Where the generator lies that a run trained for its Pix2pix augmentations, and which of them wait for one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..augment import Pix2pix
from ..spec import Spec
from ..system import System

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
    specs = list(getattr(system.augment, place))
    specs[i] = specs[i].but(weights=str(path))
    return system.but(augment=replace(system.augment, **{place: tuple(specs)}))
