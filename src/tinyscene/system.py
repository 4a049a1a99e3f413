"""The frozen form that every file in systems/ fills in: one published system, as its report tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import SettingError
from .spec import Spec, changed


@dataclass(frozen=True)
class Report:
    """Where the system was published."""

    title: str
    authors: str
    year: int
    challenge: str
    code: str = ""


@dataclass(frozen=True)
class Task:
    """What is classified: classes in output order, their groups, and the audio of one decision."""

    classes: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sample_rate_hz: int = 44_100
    window_s: float = 1.0
    channels: str = "mean"  # what a stereo clip becomes: "mean", or "first" (report 003)

    def __post_init__(self) -> None:
        if self.channels not in ("mean", "first"):
            raise SettingError(f"Task.channels takes 'mean' or 'first'; '{self.channels}' came.")
        if self.sample_rate_hz < 1 or round(self.window_s * self.sample_rate_hz) < 1:
            raise SettingError(
                f"Task.sample_rate_hz and Task.window_s take a window of 1 sample or more; "
                f"{self.sample_rate_hz} and {self.window_s} came."
            )


@dataclass(frozen=True)
class Augment:
    """Augmentations by the place they act on, in the order they are applied (design: the way of the data)."""

    wave: tuple[Spec, ...] = ()  # on waveforms
    spectrum: tuple[Spec, ...] = ()  # on power spectra
    bands: tuple[Spec, ...] = ()  # on un-normalised band features
    features: tuple[Spec, ...] = ()  # on finished features
    hidden: tuple[Spec, ...] = ()  # inside the network


@dataclass(frozen=True)
class Inference:
    """How the windows of a clip become one decision.

    `augment` are augmentations of finished features for `repeats` looks at each window, whose probabilities are
    averaged: test-time augmentation, which `tinyscene evaluate` measures beside the single look.
    """

    average: str = "probabilities"
    group_weight: float = 0.0  # share of the scene-group head in the decision, 0 = scenes alone
    hop_s: float | None = None  # seconds from window to window; None: side by side
    quiet_db: float = 0.0  # windows so far below a clip's loudest are left out of its mean; 0: none
    augment: tuple[Spec, ...] = ()
    repeats: int = 1

    def __post_init__(self) -> None:
        if self.average != "probabilities":
            raise SettingError(f"Inference.average takes 'probabilities'; '{self.average}' came.")
        if not 0.0 <= self.group_weight < 1.0:
            raise SettingError(f"Inference.group_weight takes 0 up to below 1; {self.group_weight} came.")
        if self.hop_s is not None and not self.hop_s > 0:
            raise SettingError(f"Inference.hop_s takes seconds above 0, or none; {self.hop_s} came.")
        if not 0.0 <= self.quiet_db <= 120.0:
            raise SettingError(f"Inference.quiet_db takes 0 to 120; {self.quiet_db} came.")
        if self.repeats < 1 or (self.repeats > 1) != bool(self.augment):
            raise SettingError(
                "Inference takes augment with 2 repeats or more, or no augment and 1; "
                f"{len(self.augment)} parts and {self.repeats} repeats came."
            )


@dataclass(frozen=True)
class Claim:
    """One figure of the report beside the one this code reaches; `why` says what parts them."""

    published: str
    reached: float | None = None  # None: not recounted by code, such as an accuracy on data not at hand
    source: str = ""
    why: str = ""


@dataclass(frozen=True)
class System:
    """One system whole: front end, augmentations, network, recipe, inference, claims."""

    name: str
    report: Report
    task: Task
    frontend: Spec
    model: Spec
    augment: Augment
    recipe: tuple[Spec, ...]
    inference: Inference = Inference()
    claims: Mapping[str, Claim] = field(default_factory=dict)
    whole: bool = False  # trains on all labelled clips, those of the test part too
    notes: tuple[str, ...] = ()  # gaps and contradictions of the report, and the choice taken

    def but(self, **changes: Any) -> System:
        """A variant: the same system with some parts replaced."""
        return replace(self, **changes)

    def with_settings(self, settings: Mapping[str, str]) -> System:
        """The system with each dotted path replaced, as `--set model.dropout=0.2` spells it."""
        result = self
        for path, text in settings.items():
            result = changed(self.name, result, path, text)
        return result

    @property
    def window_samples(self) -> int:
        """Samples of one decision window."""
        return round(self.task.window_s * self.task.sample_rate_hz)
