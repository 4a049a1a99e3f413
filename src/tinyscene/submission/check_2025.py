"""What 2025 adds to a package: its JSON files, weights and inference package, and whether their counts agree."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DataError
from .inference_2025 import GENERAL
from .inference_check import MAX_SOURCE, module_problems, project_problems, source_problems
from .meta_check import is_number, per_cent_problems
from .meta_yaml import MAX_BYTES, limit_problems, load_yaml
from .weights_check import MAX_WEIGHTS, counted, same_tensors, stored_tensors, weights_problems
from .years import DEVICES, DEVICES_2025, Edition

COMPLEXITY, ACCURACY, WEIGHTS = "complexity.json", "test_accuracy.json", "model_state_dict.pt"
WHOLE = ("Overall_Test_Accuracy", "Macro_Average_Accuracy")
FACTS = {"system": str, "settings": dict, "learned": dict, "classes": list}  # as tinyscene writes them
CHECKPOINTS = (".pt", ".pth", ".ckpt")


def problems_2025(package: zipfile.ZipFile, edition: Edition, systems: Mapping[str, str]) -> list[str]:
    """Every problem of the files that no earlier year has. `systems`: label -> folder. No code of the package runs."""
    problems = []
    for label, folder in systems.items():
        problems += _system_problems(package, edition, label, folder)
    team = next(iter(systems)).rpartition("_")[0]
    names = set(package.namelist())
    for name in ("pyproject.toml", f"{team}/__init__.py", *(f"{team}/{label}.py" for label in systems)):
        if f"inference/{name}" not in names:
            problems.append(f"inference/{name} is missing: the inference package")
    modules = {f"inference/{team}/{label}.py" for label in systems}
    for place in sorted(name for name in names if name.startswith("inference/")):
        problems += [f"{place}: {problem}" for problem in _inference_problems(package, place, place in modules)]
    return problems


def _inference_problems(package: zipfile.ZipFile, place: str, is_module: bool) -> list[str]:
    if place == "inference/pyproject.toml":
        return project_problems(_read(package, place, MAX_BYTES))
    if place.endswith(".py"):
        source = _read(package, place, MAX_SOURCE)
        return module_problems(source) if is_module else source_problems(source)
    if place.endswith(CHECKPOINTS):
        return weights_problems(_read(package, place, MAX_WEIGHTS))
    return []


def _system_problems(package: zipfile.ZipFile, edition: Edition, label: str, folder: str) -> list[str]:
    names, problems = set(package.namelist()), []
    found: dict[str, Any] = {}
    for name, check in ((COMPLEXITY, _complexity_problems), (ACCURACY, _accuracy_problems)):
        place = f"{folder}/{name}"
        if place in names:
            content = found[name] = _json(_read(package, place, MAX_BYTES))
            own = [content] if isinstance(content, str) else check(content, edition)
            problems += [f"{place}: {problem}" for problem in own]
    weights = f"{folder}/{WEIGHTS}"
    if weights not in names:
        return problems
    content = _read(package, weights, MAX_WEIGHTS)
    own = weights_problems(content)
    problems += [f"{weights}: {problem}" for problem in own]
    if problems:
        return problems
    tensors = stored_tensors(content)
    team = label.rpartition("_")[0]
    facts, copy = f"inference/{team}/resources/{label}.json", f"inference/{team}/ckpts/{label}.pt"
    left_out: Sequence[Any] = ()
    if facts in names:  # written by tinyscene
        read = _json(_read(package, facts, MAX_BYTES))
        if isinstance(read, str):
            return [f"{facts}: {read}"]
        wrong = [key for key, kind in FACTS.items() if not isinstance(read.get(key), kind)]
        if wrong or sorted(map(str, read["classes"])) != sorted(edition.classes):
            return [f"{facts}: {', '.join(wrong) or 'classes'} missing or changed; make the package anew"]
        left_out = buffers if isinstance(buffers := read.get("buffers"), list) else ()
        if copy not in names:
            return [f"{copy} is missing: the weights of the inference package"]
    if copy in names:
        other = _read(package, copy, MAX_WEIGHTS)
        if other != content and not weights_problems(other) and not same_tensors(tensors, stored_tensors(other)):
            problems.append(f"{copy}: other weights than in {weights}; put the same ones into both")
    meta, read = f"{folder}/{edition.meta.format(label=label)}", {}
    if meta in names:
        try:
            read = load_yaml(_read(package, meta, MAX_BYTES), meta)
        except DataError:
            return problems  # told elsewhere
    stored = counted(tensors, [name for name in left_out if isinstance(name, str)]) if tensors else {}
    if COMPLEXITY in found:
        problems += [f"{label}: {problem}" for problem in _disagreements(found[COMPLEXITY], read.get("system"), stored)]
    return problems


def _disagreements(told: Mapping[str, Any], system: Any, stored: Mapping[str, tuple[int, int]]) -> list[str]:
    """Where complexity.json, the meta file's block `system` and the tensors that lie in the package contradict."""
    system = system if isinstance(system, Mapping) else {}
    complexity, words = system.get("complexity"), system.get("description")
    meta: Mapping[str, Any] = complexity if isinstance(complexity, Mapping) else {}
    problems = [
        f"the meta file says {key} {meta[key]:,}, {COMPLEXITY} {told_key} {told[told_key]:,}; both are the largest "
        f"network's {what}"
        for key, told_key, what in (
            ("total_model_size", "max_Params", "bytes of parameters"),
            ("macs", "max_MACs", "multiply-accumulates"),
        )
        if is_number(meta.get(key)) and meta[key] != told[told_key]
    ]
    parameters = meta.get("total_parameters")
    if "" in stored:  # not kept by device: as many networks as the meta file says, in whatever number type they run
        numbers, size = stored[""]
        n = words.get("num_models_at_inference") if isinstance(words, Mapping) else None
        n = n if is_number(n) and n >= 1 else len(DEVICES_2025)
        for key, value, most in (
            ("max_Params", told["max_Params"], max(size, 4 * numbers)),
            ("total_parameters", parameters, numbers),
        ):
            if is_number(value) and not numbers / n <= value <= most:
                problems.append(
                    f"{key} is {value:,}; {WEIGHTS} holds {numbers:,} numbers of {size:,} bytes, {n} network(s)"
                )
    elif stored:
        for device, row in told["per_device"].items():
            name = device if device in stored else GENERAL
            if name in stored and row["Params"] != stored[name][1]:
                problems.append(
                    f"{COMPLEXITY}, per_device.{device}: Params is {row['Params']:,}; the network '{name}' in "
                    f"{WEIGHTS} has {stored[name][1]:,} bytes of parameters"
                )
        largest = max(numbers for numbers, _ in stored.values())
        if is_number(parameters) and parameters != largest:
            problems.append(
                f"the meta file says total_parameters {parameters:,}; the largest network in {WEIGHTS} has {largest:,}"
            )
    return problems


def _complexity_problems(content: Mapping[str, Any], edition: Edition) -> list[str]:
    """Every device's model by itself, and the largest of them."""
    missing = [key for key in ("per_device", "max_MACs", "max_Params") if key not in content]
    if missing:
        return [f"{', '.join(missing)} missing"]
    rows = content["per_device"]
    if not isinstance(rows, Mapping):
        return ["per_device must be an object with MACs and Params of each device"]
    problems = [f"per_device.{device} is missing" for device in DEVICES_2025 if device not in rows]
    for device, row in rows.items():
        if not (isinstance(row, Mapping) and all(is_number(row.get(key)) for key in ("MACs", "Params"))):
            problems.append(f"per_device.{device}: MACs and Params must be numbers")
            continue
        for key in ("MACs", "Params"):
            if row[key] <= 0:
                problems.append(
                    f"per_device.{device}: {key} is {row[key]}; the official script sees nothing in packed integer "
                    "networks: count those by hand"
                )
        counts = {"macs_per_s": row["MACs"], "bytes": row["Params"]}
        problems += [f"per_device.{device}: {problem}" for problem in limit_problems(counts, edition)]
    if not problems:
        for key in ("MACs", "Params"):
            largest = max(row[key] for row in rows.values())
            told = content[f"max_{key}"]
            if not is_number(told) or told != largest:
                problems.append(f"max_{key} is {told}; the largest of the devices is {largest}")
    return problems


def _accuracy_problems(content: Mapping[str, Any], edition: Edition) -> list[str]:
    """The keys that the official script writes, in per cent."""
    parts = {"Class_Wise_Accuracy": edition.classes, "Device_Wise_Accuracy": DEVICES}
    missing = [key for key in (*WHOLE, *parts) if key not in content]
    if missing:
        return [f"{', '.join(missing)} missing"]
    problems = []
    groups: dict[str, dict[str, Any]] = {", ".join(WHOLE): {key: content[key] for key in WHOLE}}
    for part, names in parts.items():
        rows = content[part]
        if not isinstance(rows, Mapping):
            problems.append(f"{part} must be an object of numbers")
            continue
        lacking = [name for name in names if name not in rows]
        if lacking:
            problems.append(f"{part}: {', '.join(lacking)} missing")
        groups[part] = {f"{part}.{name}": value for name, value in rows.items()}
    for what, values in groups.items():
        problems += [
            f"{place}: a number is needed, {str(v)[:60]} came" for place, v in values.items() if not is_number(v)
        ]
        problems += per_cent_problems(what, values)
    return problems


def _json(data: bytes) -> dict[str, Any] | str:
    """The object, or what is wrong with it."""
    if data.startswith(b"\xef\xbb\xbf"):
        return "a byte order mark (BOM) stands before it: save the file as UTF-8 without one"
    if len(data) > MAX_BYTES:
        return f"more than {MAX_BYTES:,} bytes"
    try:
        content = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    return content if isinstance(content, dict) and content else "a JSON object is needed"


def _read(package: zipfile.ZipFile, name: str, at_most: int) -> bytes:
    with package.open(name) as member:
        return member.read(at_most + 1)
