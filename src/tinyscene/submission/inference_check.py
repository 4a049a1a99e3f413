"""What is wrong with the inference package of 2025, told without running any of it: its module, its project file."""

from __future__ import annotations

import ast
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature

MAX_SOURCE = 1_000_000  # bytes of a module
# How the organisers' scripts call each function: places that are filled, names that are given
CALLS: Mapping[str, Sequence[tuple[int, tuple[str, ...]]]] = {
    "predict": ((2, ()), (0, ("file_paths", "device_ids")), (0, ("file_paths", "device_ids", "model_file_path"))),
    "load_model": ((0, ()), (1, ())),
    "load_inputs": ((3, ()),),
    "get_model_for_device": ((2, ()),),
}
SHAPES = {
    "predict": "predict(file_paths, device_ids, model_file_path=None)",
    "load_model": "load_model(path=None)",
    "load_inputs": "load_inputs(file_paths, device_ids, model)",
    "get_model_for_device": "get_model_for_device(model, device_id)",
}


def module_problems(source: bytes) -> list[str]:
    """What is wrong with a system's module: it must define the four functions, to be called as the organisers do.

    The text is parsed and never run, so a function that is imported, or made while the module runs, is not found.
    """
    tree = _parsed(source)
    if isinstance(tree, str):
        return [tree]
    found = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    problems = []
    for name, calls in CALLS.items():
        function = found.get(name)
        if function is None:
            problems.append(f"the function {SHAPES[name]} is missing; define it in this module")
        elif isinstance(function, ast.AsyncFunctionDef):
            problems.append(f"line {function.lineno}: {name} must be a plain function, it is an async one")
        elif not all(_takes(function.args, *call) for call in calls):
            came = f"{name}({ast.unparse(function.args)})"
            problems.append(f"line {function.lineno}: {came[:200]} cannot be called as {SHAPES[name]}")
    return problems


def source_problems(source: bytes) -> list[str]:
    """What is wrong with any other module of the package."""
    tree = _parsed(source)
    return [tree] if isinstance(tree, str) else []


def project_problems(content: bytes) -> list[str]:
    """What is wrong with pyproject.toml: pip must be able to install the package."""
    try:
        project = tomllib.loads(content.decode()).get("project")
    except (ValueError, RecursionError) as error:
        return [f"no TOML: {error}"]
    if not (isinstance(project, dict) and isinstance(project.get("name"), str)):
        return ["[project] with a name is needed; pip installs the package by it"]
    return []


def _parsed(source: bytes) -> ast.Module | str:
    """The module, or what is wrong with its text."""
    if len(source) > MAX_SOURCE:
        return f"the module has more than {MAX_SOURCE:,} bytes"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in its strings
            return ast.parse(source)
    except SyntaxError as error:
        return f"no Python: line {error.lineno}: {error.msg}" if error.lineno else f"no Python: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes; nested too deep
        return f"no Python: {error or 'nested too deep'}"


def _takes(arguments: ast.arguments, places: int, names: Sequence[str]) -> bool:
    """Whether a function with these arguments can be called with so many places filled and these names given."""
    plain = [*arguments.posonlyargs, *arguments.args]
    first_default = len(plain) - len(arguments.defaults)
    kinds = [Parameter.POSITIONAL_ONLY] * len(arguments.posonlyargs)
    kinds += [Parameter.POSITIONAL_OR_KEYWORD] * len(arguments.args)
    made = [
        Parameter(own.arg, kind, default=None if i >= first_default else Parameter.empty)
        for i, (own, kind) in enumerate(zip(plain, kinds, strict=True))
    ]
    if arguments.vararg:
        made.append(Parameter(arguments.vararg.arg, Parameter.VAR_POSITIONAL))
    made += [
        Parameter(own.arg, Parameter.KEYWORD_ONLY, default=Parameter.empty if default is None else None)
        for own, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg:
        made.append(Parameter(arguments.kwarg.arg, Parameter.VAR_KEYWORD))
    try:
        Signature(made).bind(*range(places), **dict.fromkeys(names))
    except (TypeError, ValueError):
        return False
    return True
