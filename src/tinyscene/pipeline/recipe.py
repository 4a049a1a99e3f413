"""A recipe's stages, built, and which of them begins where."""

from __future__ import annotations

from ..errors import SettingError, unknown
from ..system import System
from ..train import Stage


def stages_of(system: System) -> list[Stage]:
    """The stages of the recipe, built.

    Raises:
        SettingError: two of one name, or one that begins with a stage that is not before it.
    """
    stages = [spec.build() for spec in system.recipe]
    names = [stage.name for stage in stages]
    for i, stage in enumerate(stages):
        if stage.name in names[:i]:
            raise SettingError(f"the recipe of {system.name} has two stages '{stage.name}'; name them apart.")
        if stage.after is not None and stage.after not in names[:i]:
            raise unknown(f"{system.name}.recipe.{stage.name}.after", "earlier stage", stage.after, names[:i])
    return stages


def base_of(stages: list[Stage], stage: Stage) -> Stage | None:
    """The stage whose weights `stage` begins with: the one it names, or the last training stage before it."""
    before = stages[: [own.name for own in stages].index(stage.name)]
    if stage.after is not None:
        return next(own for own in before if own.name == stage.after)
    return next((own for own in reversed(before) if not own.compresses), None)
