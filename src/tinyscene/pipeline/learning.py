"""What parts learn from the training set: numbers that complete their Specs, kept in the run as learned.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..batch import Batch
from ..data import Crops
from ..errors import ModelError
from ..spec import Spec
from ..system import System
from .run_folder import write_json

LEARNED = "learned.json"

Numbers = Mapping[str, Mapping[str, Any]]  # "finish.0", "bands.1": place and position of a part -> what it learned


def learners(system: System) -> list[str]:
    """The parts that learn, as "place.position", in the order the data meet them."""
    return [f"{place}.{i}" for place, specs in _places(system).items() for i, spec in enumerate(specs) if _learns(spec)]


def learn(system: System, crops: Callable[[str], Crops]) -> Numbers:
    """What each learning part makes of the un-augmented training clips at its place.

    `crops` gives the training clips as a store's cut says: "waveform" or "whole".
    """
    numbers: dict[str, Mapping[str, Any]] = {}
    for key in learners(system):
        place, _, i = key.partition(".")
        part = _places(system)[place][int(i)].build()
        cut = "waveform" if place == "spectrum" else "whole"
        learned = part.fit(_at(place, int(i), completed(system, numbers), crops(cut)))
        numbers[key] = json.loads(json.dumps(learned))  # the same numbers now as from the file later
    return numbers


def completed(system: System, numbers: Numbers) -> System:
    """The system with what its parts learned written into their Specs."""

    def filled(place: str, specs: tuple[Spec, ...]) -> tuple[Spec, ...]:
        own = (numbers.get(f"{place}.{i}", {}) for i in range(len(specs)))
        return tuple(
            spec.but(**{name: _tuples(value) for name, value in learned.items()}) if learned else spec
            for spec, learned in zip(specs, own, strict=True)
        )

    places = {place: filled(place, specs) for place, specs in _places(system).items()}
    finish = places.pop("finish")
    return system.but(
        frontend=system.frontend.but(finish=finish) if finish else system.frontend,
        augment=replace(system.augment, **places),
    )


def save_learned(folder: Path, numbers: Numbers) -> None:
    """Keep them in the run."""
    write_json(folder / LEARNED, numbers)


def load_learned(folder: Path) -> Numbers:
    """What the run's parts learned; nothing if it has none.

    Raises:
        ModelError: the file is cut or was changed.
    """
    path = folder / LEARNED
    try:
        return json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise ModelError(f"{path} cannot be read ({error}); it is cut or was changed.") from None


def _places(system: System) -> dict[str, tuple[Spec, ...]]:
    augment = system.augment
    return {
        "spectrum": augment.spectrum,
        "bands": augment.bands,
        "finish": tuple(system.frontend.fields.get("finish", ())),
        "features": augment.features,
    }


def _learns(spec: Spec) -> bool:
    return callable(getattr(spec.target, "fit", None))


@torch.inference_mode()
def _at(place: str, position: int, system: System, crops: Crops) -> Iterator[Batch]:
    """The training clips in order, as they come to a part."""
    front_end = system.frontend.build().eval()
    for batch in crops.in_order():
        if place == "spectrum":
            yield replace(batch, x=front_end.spectrum(batch.x))
        elif place == "bands":
            yield batch
        else:
            steps = front_end.finish if place == "features" else front_end.finish[:position]
            yield replace(batch, x=steps(batch.x))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
