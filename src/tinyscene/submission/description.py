"""What a System says of itself in the words of the challenge's meta file; the author file may put it better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from ..spec import Spec
from ..system import System


def describe(system: System, stage: str = "", n_models: int = 1) -> dict[str, Any]:
    """The block system.description: every key of any year that a system can answer.

    stage: the last stage of the recipe that was run, '' for all. n_models: networks at inference, 2025. What does not
    apply is None: no embeddings, no ensemble, no external data, no use of the split or of the device.
    """
    recipe = list(system.recipe)
    names = [spec.name for spec in recipe]
    if stage in names:
        recipe = recipe[: names.index(stage) + 1]
    compressing = [spec for spec in recipe if getattr(spec.target, "compresses", False)]
    front_end = system.frontend.fields
    features = [front_end.get("spectral"), *front_end.get("finish", ())]
    augmentations = [spec for place in fields(system.augment) for spec in getattr(system.augment, place.name)]
    return {
        "input_sampling_rate": f"{system.task.sample_rate_hz / 1000:g}kHz",
        "input_channels": "mono",
        "acoustic_features": _words(spec for spec in features if isinstance(spec, Spec)),
        "embeddings": None,
        "data_augmentation": _words(augmentations),
        "machine_learning_method": f"CNN ({system.model.target.__name__})",
        "ensemble_method_subsystem_count": None,
        "decision_making": None,
        "external_data_usage": None,
        "complexity_management": _words(compressing) or "network design",
        "pipeline": ", ".join(spec.name.replace("_", " ") for spec in recipe),
        "framework": "pytorch",
        "split_adaptations": None,
        "system_adaptations": None,
        "device_information": None if n_models == 1 else "per-device end-to-end fine-tuning",
        "num_models_at_inference": n_models,
        "model_weight_sharing": "fully shared" if n_models == 1 else "fully device-specific",
    }


def _words(specs: Iterable[Spec]) -> str | None:
    return ", ".join(spec.name.replace("_", " ") for spec in specs) or None
