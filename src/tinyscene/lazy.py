"""Public names of a folder, loaded when they are first asked for: `__getattr__ = lazy_names(__name__, {...})`.

A name may not be that of its own file: once the file is imported, Python binds the name to the file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """A module `__getattr__` (PEP 562) that finds each name of `modules` in its module of `package`, once."""

    def find(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
