"""Published systems, one report a file. They are found by listing this folder; nothing is registered."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType

from ..errors import SettingError, TinysceneError, unknown
from ..reproduction import Reproduction
from ..system import System

__all__ = ["load_system", "reproductions", "system_file", "systems"]


def systems() -> dict[str, System]:
    """Name -> system, by year of publication; within a year in the order of the files and of the systems in them."""
    found: dict[str, System] = {}
    for info in pkgutil.iter_modules(__path__):
        found |= _systems_of(importlib.import_module(f"{__name__}.{info.name}"))
    return dict(sorted(found.items(), key=lambda item: item[1].report.year))


def reproductions() -> dict[str, Reproduction]:
    """Name of a report -> the trainings and tables of it, by the names of the files."""
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    found = (value for module in modules for value in vars(module).values() if isinstance(value, Reproduction))
    return {one.report_key: one for one in found}


def load_system(name: str) -> System:
    """The system of that name, or the one of a file: "dsmn-1", "./mine.py", "./mine.py:NAME".

    Raises:
        SettingError: no such system or file, a file with several and none named, or no name.
    """
    if not isinstance(name, str):
        raise SettingError(f"load_system takes a system's name or file; {name!r} came.")
    path, _, wanted = name.partition(":")
    if not path.endswith(".py"):
        known = systems()
        if name not in known:
            if Path(f"{path}.py").is_file():
                raise SettingError(f"tinyscene has no system '{name}'; the file of that name is: ./{path}.py")
            raise unknown("tinyscene", "system", name, known)
        return known[name]
    file = Path(path)
    if not file.is_file():
        raise SettingError(f"the system file {file} does not exist; write one with: tinyscene new mine --from dsmn-1")
    found = _systems_of(_loaded(file))
    published = [id(system) for system in systems().values()]  # imported to make a variant of, most likely
    own = {key: system for key, system in found.items() if id(system) not in published} or found
    if not own:
        raise SettingError(f"{file} defines no System; write one with: tinyscene new mine --from dsmn-1")
    if wanted:
        if wanted not in own:
            raise unknown(str(file), "system", wanted, own)
        return own[wanted]
    if len(own) > 1:
        raise SettingError(f"{file} defines {', '.join(own)}; choose one: {file}:{next(iter(own))}")
    return next(iter(own.values()))


def system_file(name: str) -> Path:
    """The file that defines a system, for those who want to read it."""
    if ".py" in name:
        return Path(name.partition(":")[0])
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if name in _systems_of(module):
            assert module.__file__ is not None
            return Path(module.__file__)
    raise unknown("tinyscene", "system", name, systems())


def _systems_of(module: ModuleType) -> dict[str, System]:
    return {value.name: value for value in vars(module).values() if isinstance(value, System)}


def _loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tinyscene_user_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except TinysceneError:
        raise
    except Exception as error:
        raise SettingError(f"{file} cannot be read as a system: {type(error).__name__}: {error}") from error
    return module
