"""Public names of a folder, loaded when they are first asked for: `__getattr__ = lazy_names(__name__, {...})`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """A module `__getattr__` (PEP 562) that finds each name of `modules` in its module of `package`."""

    def find(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return find
