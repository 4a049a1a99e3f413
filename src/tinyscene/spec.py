"""Spec(Class, **numbers): a constructor call written down, checked when it is written, made when it is built."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Generic, TypeVar

from .errors import SettingError, unknown

T = TypeVar("T")


class Spec(Generic[T]):
    """A call of `target` with keyword numbers, not made yet.

    Unknown names are an error at once, so a system file with a slip does not import. Values may be Specs
    themselves, alone or in tuples; `build` makes the inner ones first, except where the argument is annotated as a
    Spec (or `Spec | None`): an optimiser cannot be made before its network. A Spec is frozen: `but` returns a copy.
    """

    def __init__(self, target: Callable[..., T], /, **numbers: Any):
        self.target = target
        self.numbers = numbers
        _check_names(target, numbers)

    @property
    def name(self) -> str:
        """snake_case name of what is built; a number called `name` wins (two stages of one class)."""
        return str(self.numbers.get("name", snake_case(self.target.__name__)))

    @property
    def fields(self) -> dict[str, Any]:
        """Every argument the target takes, with the value written here or the target's default."""
        parameters = _parameters(self.target)
        defaults = {key: p.default for key, p in parameters.items() if p.default is not inspect.Parameter.empty}
        return {key: self.numbers.get(key, defaults.get(key)) for key in parameters} | self.numbers

    def missing(self) -> list[str]:
        """The arguments that have neither a number here nor a default."""
        parameters = _parameters(self.target)
        return [
            key for key, p in parameters.items() if p.default is inspect.Parameter.empty and key not in self.numbers
        ]

    def but(self, **changes: Any) -> Spec[T]:
        """The same call with some numbers changed."""
        return Spec(self.target, **(self.numbers | changes))

    def build(self, **more: Any) -> T:
        """Make the call. `more` adds or replaces numbers that only the data knows, such as n_classes."""
        _check_names(self.target, more)
        asks_for_spec = {key for key, p in _parameters(self.target).items() if "Spec" in _words(p.annotation)}
        numbers = self.numbers | more
        return self.target(**{key: v if key in asks_for_spec else _built(v) for key, v in numbers.items()})

    def plain(self) -> dict[str, Any]:
        """The call as JSON can hold it: class name and numbers; equal Specs give equal text."""
        return {"class": self.target.__name__, **_written(self.numbers, Spec.plain)}

    def constants(self) -> dict[str, Any]:
        """As `plain`, with the target's defaults filled in: all that a twin on a device needs to know."""
        return {"class": self.target.__name__, **_written(self.fields, Spec.constants)}

    def __repr__(self) -> str:
        inner = "".join(f", {key}={value!r}" for key, value in self.numbers.items())
        return f"Spec({self.target.__name__}{inner})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and (self.target, self.numbers) == (other.target, other.numbers)

    __hash__ = None  # type: ignore[assignment]  # numbers may hold unhashable values


def snake_case(name: str) -> str:
    """LogMel -> log_mel; DSMN -> dsmn; SpecAugment -> spec_augment."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What a call of `target` takes; a class that passes **keywords on takes its parent's arguments too."""
    parameters = inspect.signature(target).parameters
    own = {key: p for key, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    if isinstance(target, type) and any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return dict(_parameters(target.__mro__[1])) | own
    return own


def _words(annotation: Any) -> set[str]:
    """The names in an annotation, written as text (our own files) or evaluated (torch's): "int | None" -> int, None."""
    return set(re.findall(r"\w+", annotation if isinstance(annotation, str) else repr(annotation)))


def _check_names(target: Callable[..., Any], numbers: Mapping[str, Any]) -> None:
    known = _parameters(target)
    for name in numbers:
        if name not in known:
            raise unknown(target.__name__, "argument", name, known)


def _built(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.build()
    if isinstance(value, tuple):
        return tuple(_built(item) for item in value)
    return value


def _written(value: Any, how: Callable[[Spec[Any]], Any]) -> Any:
    if isinstance(value, Spec):
        return how(value)
    if isinstance(value, (tuple, list)):
        return [_written(item, how) for item in value]
    if isinstance(value, dict):
        return {str(key): _written(item, how) for key, item in value.items()}
    return value


def changed(owner: str, value: Any, path: str, text: str, annotation: Any = "") -> Any:
    """`value` with the number at dotted `path` replaced by what `text` spells: what `--set path=value` does.

    `value` is a Spec, a frozen dataclass, a tuple of Specs (entered by name or by index) or, at the end of the
    path, the number itself. `text` must spell a number of the kind that its `annotation` names, or else of the same
    kind as the one it replaces.
    """
    if not path:
        return _parsed(owner, value, text, _words(annotation))
    head, _, rest = path.partition(".")
    here = f"{owner}.{head}"
    if isinstance(value, Spec):
        if head not in value.fields:
            raise unknown(owner, "field", head, value.fields)
        annotation = _parameters(value.target)[head].annotation
        return value.but(**{head: changed(here, value.fields[head], rest, text, annotation)})
    if isinstance(value, tuple) and value and all(isinstance(item, Spec) for item in value):
        names = [item.name for item in value]
        if head in names:
            index = names.index(head)
        elif head.isdecimal() and int(head) < len(value):
            index = int(head)
        else:
            raise unknown(owner, "part", head, names)
        return (*value[:index], changed(here, value[index], rest, text), *value[index + 1 :])
    if is_dataclass(value) and not isinstance(value, type):
        kinds = {field.name: field.type for field in fields(value)}
        if head not in kinds:
            raise unknown(owner, "field", head, kinds)
        return replace(value, **{head: changed(here, getattr(value, head), rest, text, kinds[head])})
    raise SettingError(f"{owner} is {value!r} and has no fields; it cannot be entered with '.{path}'.")


_KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "tuple": "a list such as 1,2,3"}


def _parsed(owner: str, old: Any, text: str, words: set[str]) -> Any:
    """`text` as a value to stand where `old` stood; `words` are the names in the annotation of that place."""
    if isinstance(old, Spec) or is_dataclass(old):
        names = list(old.fields) if isinstance(old, Spec) else [field.name for field in fields(old)]
        raise SettingError(f"{owner} is a part, not a number; set one of its fields: {', '.join(names)}.")
    if {"tuple", "Spec"} <= words:
        if text.strip() == "()":
            return ()
        raise SettingError(
            f"{owner} takes parts, or () for none; '{text}' came. To add parts, write a system file: "
            "tinyscene new mine --from SYSTEM"
        )
    if text.lower() == "none" and (old is None or "None" in words):
        return None
    if isinstance(old, str) or (old is None and "str" in words):
        return text
    if isinstance(old, tuple) and old:
        items = filter(None, (item.strip(" '\"") for item in text.strip("()[] ").split(",")))
        inner = words & {"float"}
        return tuple(_parsed(f"{owner}[{i}]", old[min(i, len(old) - 1)], item, inner) for i, item in enumerate(items))
    # What the annotation names goes before what stands there: torch writes weight_decay: float = 0.
    own = set() if old is None else {type(old).__name__}
    kinds = {"float"} if "float" in words | own and "bool" not in own else own or words & _KINDS.keys()
    try:
        new = ast.literal_eval(text.title() if text.lower() in ("true", "false", "none") else text)
    except (ValueError, SyntaxError):
        new = None
    if kinds == {"float"} and type(new) is int:
        new = float(new)
    if new is None or (kinds and type(new).__name__ not in kinds):
        takes = " or ".join(_KINDS.get(kind, "a value") for kind in sorted(kinds)) or "a value"
        raise SettingError(f"{owner} takes {takes} (now {old!r}); '{text}' came.")
    return new
