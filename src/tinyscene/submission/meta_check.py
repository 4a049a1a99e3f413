"""What is wrong with a meta file: the official validators' rules, every breach named by the place of its field."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from .problems import Problems
from .years import Edition

Block = Mapping[str, Any]

ABBREVIATION = 10
SUBMISSION = ("label", "name", "abbreviation", "authors")
AUTHOR = ("lastname", "firstname", "email", "affiliation")
AFFILIATION = ("abbreviation", "institute", "department", "location")
EXTERNAL = ("name", "url", "total_audio_length")
FIGURES = ("accuracy", "logloss")
LARGEST = 1e15

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 60, 60


def check_meta(meta: Any, edition: Edition, label: str) -> list[str]:
    """Every problem of a meta file, by the dotted name of its field: the first 20, then a count.

    Refuses what the official validators refuse: missing fields, a label that is not the folder's, an abbreviation of
    more than 10 letters, not exactly one corresponding author, counts and figures that are no numbers. And also
    accuracies that are no per cent, and a network of 2022 that cannot be int8.
    """
    problems = Problems()
    submission, system, results = (_block(problems, meta, name) for name in ("submission", "system", "results"))
    if submission is not None:
        _need(problems, submission, "submission", SUBMISSION)
        _check_submission(problems, submission, label)
    if system is not None:
        _need(problems, system, "system", edition.system)
        _check_system(problems, system, edition)
    if results is not None:
        _need(problems, results, "results", ("development_dataset",))
        found = _block(problems, results, "development_dataset", "results.")
        if found is not None:
            _check_results(problems, found, edition)
    return problems.lines


def _block(problems: Problems, parent: Any, name: str, path: str = "") -> Block | None:
    """The block of that name; one that is missing is named once, by `_need` of its parent, or here at the top."""
    there = isinstance(parent, Mapping) and name in parent
    block = parent[name] if there else None
    if isinstance(block, Mapping):
        return block
    if there or not path:
        problems.add(f"{path}{name}: a block is needed, {'none' if block is None else type(block).__name__} came")
    return None


def _need(problems: Problems, block: Block, path: str, keys: Sequence[str]) -> None:
    missing = [key for key in keys if key not in block]
    if missing:
        problems.add(f"{path}: {', '.join(missing)} missing")


def _check_submission(problems: Problems, submission: Block, label: str) -> None:
    if "label" in submission and submission["label"] != label:
        problems.add(f"submission.label is {_shown(submission['label'])}; the folder and the files are named {label}")
    for key in ("name", "abbreviation"):
        if key in submission and not (isinstance(submission[key], str) and submission[key].strip()):
            problems.add(f"submission.{key}: words are needed, {_shown(submission[key])} came")
    abbreviation = submission.get("abbreviation", "")
    if isinstance(abbreviation, str) and len(abbreviation) > ABBREVIATION:
        problems.add(f"submission.abbreviation: at most {ABBREVIATION} letters; {_shown(abbreviation)} came")
    if "authors" not in submission:
        return
    authors = submission["authors"]
    if not (isinstance(authors, list) and authors and all(isinstance(author, Mapping) for author in authors)):
        problems.add("submission.authors: a list of one author or more is needed")
        return
    for i, author in enumerate(authors, start=1):
        _need(problems, author, f"submission.authors, author {i}", AUTHOR)
        if isinstance(author.get("affiliation"), Mapping):
            _need(problems, author["affiliation"], f"submission.authors, author {i}, affiliation", AFFILIATION)
        elif "affiliation" in author:
            problems.add(f"submission.authors, author {i}, affiliation: {', '.join(AFFILIATION)} missing")
    marked = sum(bool(author.get("corresponding")) for author in authors)
    if marked != 1:
        problems.add(f"submission.authors: exactly one has 'corresponding: true'; {marked} have")


def _check_system(problems: Problems, system: Block, edition: Edition) -> None:
    for name, keys in (("description", edition.description), ("complexity", edition.complexity)):
        block = _block(problems, system, name, "system.")
        if block is not None:
            _need(problems, block, f"system.{name}", keys)
    given = system.get("complexity")
    complexity: Block = given if isinstance(given, Mapping) else {}
    for key in (*edition.complexity, *edition.complexity_more):
        if key not in complexity:
            continue
        value, whole = complexity[key], key != "model_size"
        if not is_number(value) or value <= 0 or (whole and value != int(value)):
            kind = "a whole number above 0" if whole else "a number of KB above 0"
            problems.add(f"system.complexity.{key}: {kind} is needed, {_shown(value)} came")
    every, nonzero = complexity.get("total_parameters"), complexity.get("total_parameters_non_zero")
    if is_number(every) and is_number(nonzero) and nonzero > every:
        problems.add(f"system.complexity: {nonzero:,} of {every:,} parameters cannot be non-zero")
    _check_integers(problems, complexity, edition)
    if edition.energy and "energy_consumption" in system:
        energy = _block(problems, system, "energy_consumption", "system.")
        if energy is not None:
            _need(problems, energy, "system.energy_consumption", edition.energy)
            for key in edition.energy:
                if energy.get(key) is not None and (not is_number(energy[key]) or energy[key] < 0):
                    problems.add(f"system.energy_consumption.{key}: kWh or null is needed, {_shown(energy[key])} came")
    if "inference_code" in edition.system and "inference_code" in system and not system["inference_code"]:
        problems.add("system.inference_code: the address of the inference package is needed")
    external = system.get("external_datasets", [])
    if external is None and not edition.year.startswith("2020"):  # 2020's validator fails on null
        return
    if not (isinstance(external, list) and all(isinstance(item, Mapping) for item in external)):
        problems.add("system.external_datasets: a list is needed, [] for none")
        return
    for i, item in enumerate(external, start=1):
        _need(problems, item, f"system.external_datasets, set {i}", EXTERNAL)


def _check_integers(problems: Problems, complexity: Block, edition: Edition) -> None:
    """No meta file names the number type, but two bytes a parameter or more are floats: int8 takes one, and four for
    each bias, of which there are few."""
    size, count = complexity.get("memory_use"), complexity.get("total_parameters")
    if edition.number_types and is_number(size) and is_number(count) and 0 < 2 * count <= size:
        problems.add(
            f"system.complexity: {size:,} bytes for {count:,} parameters are a float network; {edition.year} takes "
            "int8 ones only. Make one: tinyscene compress RUN, tinyscene evaluate RUN, submit make with --stage int8"
        )


def _check_results(problems: Problems, found: Block, edition: Edition) -> None:
    path = "results.development_dataset"
    if not edition.results:
        _check_figures(problems, found, path, edition, nulls=False)
        return
    _need(problems, found, path, edition.results)
    for name in edition.results:
        block = _block(problems, found, name, f"{path}.")
        if block is not None:
            _check_figures(problems, block, f"{path}.{name}", edition, nulls=True)


def _check_figures(problems: Problems, found: Block, path: str, edition: Edition, nulls: bool) -> None:
    """Figures of one block. `nulls`: templates of 2024 and 2025 leave null what was not measured."""
    parts: dict[str, tuple[str, ...]] = {"overall": (), "class_wise": edition.classes}
    if edition.devices:
        parts["device_wise"] = edition.devices
    _need(problems, found, path, tuple(parts))
    for part, names in parts.items():
        if found.get(part) is None:  # a block that is null as a whole passes every official validator
            continue
        block = _block(problems, found, part, f"{path}.")
        if block is None:
            continue
        where = f"{path}.{part}"
        _need(problems, block, where, names or FIGURES)
        rows = {f"{where}.{name}": block[name] for name in names if name in block} if names else {where: block}
        for place, row in rows.items():
            if not isinstance(row, Mapping):
                problems.add(f"{place}: accuracy and logloss missing")
                continue
            if names:
                _need(problems, row, place, FIGURES)
            for key in FIGURES:
                if key in row and not (is_number(row[key]) or (nulls and row[key] is None)):
                    problems.add(f"{place}.{key}: a number is needed, {_shown(row[key])} came")
            if is_number(row.get("logloss")) and row["logloss"] < 0:
                problems.add(f"{place}.logloss: 0 or more is needed, {row['logloss']} came")
        accuracies = {place: row.get("accuracy") for place, row in rows.items() if isinstance(row, Mapping)}
        problems.extend(
            per_cent_problems(f"{where}: accuracy", {f"{key}.accuracy": v for key, v in accuracies.items()})
        )


def per_cent_problems(what: str, values: Mapping[str, Any]) -> list[str]:
    """What is wrong with accuracies that belong together, by the place of each; what is no number is left aside.

    All of them at 1 or below are fractions: one alone may be, of a class that is hardly ever found.
    """
    numbers = {place: value for place, value in values.items() if is_number(value)}
    problems = [
        f"{place}: per cent, 0 to 100, are needed; {value} came"
        for place, value in numbers.items()
        if not 0 <= value <= 100
    ]
    if not problems and numbers and 0 < max(numbers.values()) <= 1:
        problems.append(
            f"{what} is given as a fraction ({max(numbers.values())} at most); per cent, 0 to 100, are needed"
        )
    return problems


def _shown(value: Any) -> str:
    """A value in few words: one of YAML may refer to itself, or to ever more."""
    return _SHORT.repr(value)


def is_number(value: Any) -> TypeGuard[int | float]:
    """A finite number of sensible size; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST  # NaN is not
