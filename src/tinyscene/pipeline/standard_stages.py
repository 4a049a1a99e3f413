"""The compressing stages that any system can be given, their numbers taken from the stage that trained it."""

from __future__ import annotations

from typing import Any

from ..compress import CutChannels, Half, Int8, Prune
from ..compress.calibrate import Calibrate
from ..errors import SettingError
from ..spec import Spec
from ..system import System
from ..train import CosineWarmup, Fit

KINDS = {"int8": Int8, "ptq": Calibrate, "fp16": Half, "prune": Prune, "cut": CutChannels}
SHAPING = ("cut", "prune")  # what comes after starts from them; of the others each is an end

SHORTER = 10  # epochs and learning rate are those of training divided by this, as report 001's int8 stage has them
LOWEST = 0.01  # of the learning rate, at the cosine's end
SPARSITY = 0.5


def standard_stage(system: System, kind: str, name: str, after: str) -> Spec[Any]:
    """A stage of a `kind` of KINDS that starts from the stage `after`.

    Numbers are those of the recipe's own stage of that kind, if it has one; else of the last training stage, with a
    tenth of its epochs and of its learning rate. A `cut` still lacks its target.

    Raises:
        SettingError: the recipe trains nothing, or not by Fit.
    """
    target = KINDS[kind]
    own = next((spec for spec in system.recipe if spec.target is target), None)
    if own is not None:
        return own.but(name=name, after=after)
    trained = _last_training(system)
    if target is Half:
        return Spec(Half, name=name, after=after, drop_groups=system.inference.group_weight == 0)
    share = trained.fields["validation_share"]  # what training held out stays held out
    if target is Calibrate:
        return Spec(Calibrate, name=name, after=after, clips=512, validation_share=share)
    fit = _fine_tuning(trained) | {"name": name, "after": after, "validation_share": share}
    return Spec(target, **fit, **({"sparsity": SPARSITY} if target is Prune else {}))


def _last_training(system: System) -> Spec[Any]:
    fits = [(spec, spec.target) for spec in system.recipe]
    trained = [spec for spec, kind in fits if isinstance(kind, type) and issubclass(kind, Fit) and not kind.compresses]
    if not trained:
        raise SettingError(
            f"the recipe of {system.name} has no training stage to take epochs and rates from; write the compressing "
            "stage in the system file."
        )
    return trained[-1]


def _fine_tuning(trained: Spec[Any]) -> dict[str, Any]:
    """Arguments of Fit: batches, loss and optimiser as in training, a tenth as long at a tenth of the rate."""
    old, optimizer = trained.fields, trained.fields["optimizer"]
    lr = optimizer.fields["lr"] / SHORTER
    return {
        "epochs": max(1, round(old["epochs"] / SHORTER)),
        "batch_size": old["batch_size"],
        "optimizer": optimizer.but(lr=lr),
        "schedule": Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=lr * LOWEST),
        "loss": old["loss"],
        "pcgrad": old["pcgrad"],
        "select": "last",  # as in report 001: with scales or zeros found, later is better
    }
