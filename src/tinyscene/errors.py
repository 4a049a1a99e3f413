"""The errors a person may see. One sentence shape: what, where, what is allowed, what came, what to do next."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable


class TinysceneError(Exception):
    """Root of every error that is the user's to mend. The command line prints it in one line and exits with 2."""

    exit_code = 2


class SettingError(TinysceneError):
    """A setting, option or field that is unknown or out of range."""


class AudioError(TinysceneError):
    """An audio file or array that cannot be used."""


class DataError(TinysceneError):
    """A data set whose lists, columns, folds or files cannot be used."""


class ModelError(TinysceneError):
    """A model file or run folder that cannot be used."""


class OutputError(TinysceneError):
    """A result that cannot be written."""


class MissingExtraError(TinysceneError):
    """A part of tinyscene whose libraries are not installed."""


def missing_extra(what: str, extra: str, module: str | None = None) -> MissingExtraError:
    """The one line that says which extra `what` needs and how to get it."""
    cause = f" (no module named {module})" if module else ""
    return MissingExtraError(f"{what} needs the extra '{extra}'{cause}: {install(extra)}")


def install(extra: str = "") -> str:
    """What installs tinyscene, with an extra. It is on no package index: a folder of its source is what there is."""
    return f"pip install {shlex.quote(f'.[{extra}]') if extra else '.'} in a clone of tinyscene"


def command(*words: object) -> str:
    """`tinyscene WORDS...` as a shell takes it: a path with a space in it is one word."""
    return shlex.join(["tinyscene", *map(str, words)])


def unknown(owner: str, kind: str, came: str, allowed: Iterable[str]) -> SettingError:
    """`owner` has no `kind` named `came`: lists what it takes and the closest match."""
    names = list(allowed)
    close = difflib.get_close_matches(came, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return SettingError(f"{owner} has no {kind} '{came}'; it takes {', '.join(names) or 'none'}.{hint}")


def within(field: str, value: float, low: float, high: float | None = None) -> None:
    """SettingError unless low <= value <= high; `field` is "Owner.field". None is no upper end.

    NaN is refused, and what is no number.
    """
    try:
        inside = low <= value and (high is None or value <= high)
    except TypeError:
        inside = False
    if not inside:
        takes = f"{low:g} to {high:g}" if high is not None else f"{low:g} or more"
        raise SettingError(f"{field} takes {takes}; {value if isinstance(value, (int, float)) else repr(value)} came.")
