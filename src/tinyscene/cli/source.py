"""A system as Python source: the file that `tinyscene new` writes."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from ..errors import command
from ..spec import Spec
from ..system import System

WIDTH = 110


def system_source(system: System, origin: str) -> str:
    """A module that defines `system`, and nothing else; importing it gives an equal one."""
    imports: dict[str, set[str]] = {"tinyscene.system": set()}
    body = _source(system, 0, imports)
    lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(imports.items())]
    return (
        f'"""{system.name}: made from {origin} by `tinyscene new`. Change what you like; unknown names are refused.\n\n'
        f"Train it with: {command('train', f'./{system.name}.py', '--data', 'DIR', '--out', 'RUN')}\n"
        f'`{command("show", origin)}` says where each number is from.\n"""\n\n'
        + "\n".join(lines)
        + f"\n\nSYSTEM = {body}\n"
    )


def _source(value: Any, depth: int, imports: dict[str, set[str]]) -> str:
    if isinstance(value, Spec):
        imports.setdefault("tinyscene.spec", set()).add("Spec")
        imports.setdefault(_public(value.target), set()).add(value.target.__name__)
        inner = [(key, _source(item, depth + 1, imports)) for key, item in value.numbers.items()]
        return _call("Spec", [value.target.__name__], inner, depth)
    if hasattr(value, "__dataclass_fields__"):
        imports["tinyscene.system"].add(type(value).__name__)
        inner = []
        for item in fields(value):
            here = getattr(value, item.name)
            default = item.default_factory() if item.default_factory is not MISSING else item.default
            if here != default:
                inner.append((item.name, _source(here, depth + 1, imports)))
        return _call(type(value).__name__, [], inner, depth)
    if isinstance(value, tuple):
        return _bracketed("(", [_source(item, depth + 1, imports) for item in value], ")", depth, len(value) == 1)
    if isinstance(value, dict):
        pairs = [f"{key!r}: {_source(item, depth + 1, imports)}" for key, item in value.items()]
        return _bracketed("{", pairs, "}", depth)
    return repr(value)


def _public(target: Any) -> str:
    """The folder that offers a part by name, else the module it is defined in."""
    module = str(target.__module__)
    parts = module.split(".")
    if parts[0] == "torch":
        return "torch.optim" if parts[1] == "optim" else module
    return ".".join(parts[:2]) if parts[0] == "tinyscene" else module


def _call(name: str, plain: list[str], inner: list[tuple[str, str]], depth: int) -> str:
    return name + _bracketed("(", [*plain, *(f"{key}={text}" for key, text in inner)], ")", depth)


def _bracketed(opening: str, items: list[str], closing: str, depth: int, comma: bool = False) -> str:
    line = f"{opening}{', '.join(items)}{',' if comma else ''}{closing}"
    if len(line) + 4 * depth <= WIDTH - 20 and "\n" not in line:
        return line
    pad = "    " * (depth + 1)
    return f"{opening}\n" + "".join(f"{pad}{item},\n" for item in items) + "    " * depth + closing
