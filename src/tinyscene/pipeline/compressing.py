"""What `tinyscene compress` will do with a run, said before it does it: which stages, from which, with what numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import OutputError, SettingError, unknown
from ..spec import Spec
from ..system import System
from ..train import WEIGHTS, Machine, Stage
from .configuring import configured
from .preparing import Prepared
from .recipe import base_of, stages_of
from .run_folder import RunRecord
from .stages import restore
from .standard_stages import KINDS, SHAPING

OPTIONS = {"teacher_weight": "--teacher"}  # fields that options of another name set


@dataclass(frozen=True)
class Step:
    """One stage that is to be run: `kind` as in KINDS, "" for a stage of another class."""

    kind: str
    name: str
    base: str  # the stage whose weights it begins with
    why: str


@dataclass(frozen=True)
class Plan:
    """The steps in their order, and the record of the run with what they add to it."""

    steps: tuple[Step, ...]
    record: RunRecord

    @property
    def names(self) -> list[str]:
        return [step.name for step in self.steps]

    def stages(self, system: System) -> list[Stage]:
        """Those of the steps, of the system as `record` configures it."""
        return [stage for stage in stages_of(system) if stage.name in self.names]

    @property
    def cut(self) -> str:
        """The name of the step that cuts channels, or ""."""
        return next((step.name for step in self.steps if step.kind == "cut"), "")

    def lacks_target(self, system: System) -> bool:
        """Whether it has a cut that does not know yet how far."""
        targets = [
            spec.fields[f"target_{what}"]
            for spec in system.recipe
            if stage_name(spec) == self.cut
            for what in ("parameters", "macs")
        ]
        return bool(targets) and all(target is None for target in targets)

    def stored_as(self, system: System) -> str:
        """The precision that the last step stores."""
        last = next(spec for spec in system.recipe if stage_name(spec) == self.names[-1])
        return str(getattr(last.target, "precision", "float32"))

    def but(self, settings: Mapping[str, str]) -> Plan:
        """The same with settings more."""
        changed = replace(self.record, compress_settings={**self.record.compress_settings, **settings})
        return replace(self, record=changed)


def planned(system: System, record: RunRecord, kinds: Sequence[str] = ()) -> Plan:
    """The steps that make `kinds` of KINDS of a run of `system` (as it was loaded), or without any the recipe's own.

    cut and prune are a road: what comes after starts from them. int8, ptq and fp16 are ends, beside each other. A stage
    of the recipe, or one added before, that is of the kind and starts there is taken; else one is added.

    Raises:
        SettingError: an unknown kind, one that came twice or in an order that undoes itself, or a recipe without any.
    """
    if not kinds:
        added = {entry["name"] for entry in record.added}
        own = [step for step in _steps(configured(system, record)) if step.name not in added]
        if not own:
            raise SettingError(
                f"the recipe of {system.name} has no compressing stage; say what to make: --to {', '.join(KINDS)}."
            )
        return Plan(tuple(own), record)
    for kind in kinds:
        if kind not in KINDS:
            raise unknown("--to", "kind", kind, KINDS)
        if kinds.count(kind) > 1:
            raise SettingError(f"--to {kind} came twice; give it once.")
    if "prune" in kinds and "cut" in kinds[kinds.index("prune") :]:
        raise SettingError("--to prune,cut would train zeros away after the cut; say --to cut,prune.")
    before = {entry["name"] for entry in record.added}
    known = {
        step.name: replace(step, why="added before") if step.name in before else step
        for step in _steps(configured(system, record))
    }
    trained = next(stage_name(spec) for spec in reversed(system.recipe) if not _compresses(spec))
    at, steps, entries = trained, list[Step](), list(record.added)
    for kind in kinds:
        step = next((step for step in known.values() if step.kind == kind and step.base == at), None)
        if step is None:
            name = kind if at == trained and kind not in known else f"{at}-{kind}"
            like = next((step.name for step in known.values() if step.kind == kind), None)
            why = f"as {like}, from {at}" if like else f"standard, by the numbers of {trained}"
            step = Step(kind, name, at, why)
            known[name] = step
            entries.append({"kind": kind, "name": name, "after": at})
        steps.append(step)
        at = step.name if kind in SHAPING else at
    return Plan(tuple(steps), replace(record, added=tuple(entries)))


def settled(
    plan: Plan, system: System, folder: Path, settings: Mapping[str, str], options: Mapping[str, Any], resume: bool
) -> Plan:
    """The plan with `settings` ("recipe.NAME.field") and `options` (a field of every step that has it, None: as it is).

    Without resume, what was set of these steps before is forgotten.

    Raises:
        SettingError: a setting of something else than the steps, an option that none of them has, or with `resume`
            another than the stage was begun with.
    """
    recipe = configured(system, plan.record).recipe
    specs = {spec.name: spec for spec in recipe if stage_name(spec) in plan.names}  # by the names that settings go by
    chosen = dict(settings)
    for path in settings:
        head, _, rest = path.partition(".")
        if head != "recipe" or rest.partition(".")[0] not in specs:
            raise SettingError(
                f"--set {path}: compress changes the stages it runs, recipe.{'|'.join(specs)}.FIELD; what was trained "
                "stays."
            )
    for field, value in options.items():
        having = [name for name, spec in specs.items() if field in spec.fields]
        if value is not None and not having:
            option = OPTIONS.get(field, f"--{field.replace('_', '-')}")
            raise SettingError(f"{option}: none of {', '.join(plan.names)} has it; leave it out.")
        chosen |= {f"recipe.{name}.{field}": str(value) for name in having if value is not None}
    old = plan.record.compress_settings
    own = {path: text for path, text in old.items() if path.split(".")[1] in specs}
    if not resume:
        plan = replace(plan, record=replace(plan.record, compress_settings=_without(old, own)))
    for path, text in chosen.items():
        begun = folder / stage_name(specs[path.split(".")[1]])
        if resume and begun.is_dir() and own.get(path) != text:
            raise SettingError(
                f"{begun} was begun with {path}={own.get(path, 'as it was')}, {text} came; resume with the same, or "
                f"delete {begun} to begin anew."
            )
    return plan.but(chosen)


def check_free(plan: Plan, system: System, folder: Path, resume: bool) -> None:
    """Whether no finished stage would be overwritten, or would stand on one that is made anew.

    Raises:
        OutputError: one would.
    """
    stages = stages_of(system)
    finished = [stage for stage in stages if (folder / stage.name / WEIGHTS).is_file()]
    done = [stage.name for stage in finished if stage.name in plan.names]
    if done and not resume:
        gone = " and ".join(str(folder / name) for name in done)
        raise OutputError(
            f"{folder} is compressed already ({', '.join(done)}); delete {gone} to do it again, or say --resume to go "
            "on from there."
        )
    anew = set(plan.names) - set(done)
    for stage in finished:
        base = base_of(stages, stage)
        while base is not None:
            if base.name in anew:
                raise OutputError(
                    f"{folder / stage.name} was made from {base.name}, which is to be made anew; delete "
                    f"{folder / stage.name} too."
                )
            base = base_of(stages, base)


def run_plan(
    plan: Plan,
    prepared: Prepared,
    folder: Path,
    resume: bool,
    machine: Machine,
    tell: Callable[[str], None] = lambda name: None,
) -> None:
    """Run the stages of the plan that have not ended; `tell` is called with each one's name before.

    Raises:
        ModelError: the run is not trained yet.
    """
    stages = stages_of(prepared.system)
    for stage in plan.stages(prepared.system):
        own = folder / stage.name
        if resume and (own / WEIGHTS).is_file():
            continue
        tell(stage.name)
        network = restore(prepared, folder, base_of(stages, stage))
        stage.run(network, prepared.job(stage, folder, resume, machine, False), own)


def numbers(system: System, name: str) -> str:
    """What a stage of the recipe is called with: "epochs 10, batch_size 32, optimizer RAdam(lr=0.0001)"."""
    spec = next(spec for spec in system.recipe if stage_name(spec) == name)
    shown = {key: value for key, value in spec.numbers.items() if key not in ("name", "after") and value is not None}
    return ", ".join(f"{key} {_short(value)}" for key, value in shown.items()) or "nothing to set"


def stage_name(spec: Spec[Any]) -> str:
    """The name that the stage will have: a Spec of one that is not named goes by its class."""
    return str(spec.fields.get("name", spec.name))


def _short(value: Any) -> str:
    if isinstance(value, Spec):
        return f"{value.target.__name__}({', '.join(f'{key}={_short(own)}' for key, own in value.numbers.items())})"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _compresses(spec: Spec[Any]) -> bool:
    return bool(getattr(spec.target, "compresses", False))


def _steps(system: System) -> list[Step]:
    """The compressing stages of the recipe. They are not built: a cut without its target could not be."""
    found, trained = [], ""
    for spec in system.recipe:
        if not _compresses(spec):
            trained = stage_name(spec)
            continue
        kind = next((kind for kind, target in KINDS.items() if spec.target is target), "")
        found.append(Step(kind, stage_name(spec), spec.fields.get("after") or trained, "the recipe's own"))
    return found


def _without(settings: Mapping[str, str], gone: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in settings.items() if path not in gone}
