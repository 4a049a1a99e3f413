"""An output that grows item by item, and the small journal beside it, which knows how far and by what settings."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from ..errors import DataError, OutputError, SettingError
from .batch_lock import locked, unlock

ITEMS, SECONDS = 64, 2.0  # a kill loses the work on so many items, or of so many seconds, at most


class _State(NamedTuple):
    """How far the part file goes: items, bytes, the hash of the items' names, sums, items that were bad."""

    done: int
    n_bytes: int
    names: Any
    counts: Mapping[str, int]
    n_bad: int


class GrowingFile:
    """OUT.part and OUT.journal, until `finish` makes OUT of the part file; the journal stays.

    The journal's first line holds `settings`, of which nothing may change; each other one says how many of `names`
    are in the part file, how many bytes these are, the sums of `counts`, and what was `bad` since the line before.
    With resume, an OUT that is whole stays as it is.

    Raises:
        OutputError: the place cannot be written, another run writes it now, a run that was cut off lies there
            (without resume), or an OUT of which no journal knows (with resume).
        SettingError: resume with other settings.
        DataError: resume, but the items done are no longer the first of `names`, or not all of a whole OUT's.
    """

    def __init__(self, out: Path, names: Sequence[str], settings: Mapping[str, Any], begin: bytes, resume: bool):
        self.out, self.names = out, names
        self.part, self.journal = (out.with_name(f"{out.name}.{end}") for end in ("part", "journal"))
        self._bad: list[tuple[str, str]] = []
        self._state, self._told, self._when = _State(0, len(begin), hashlib.sha256(), {}, 0), 0, monotonic()
        self._open, self._whole = ExitStack(), False
        if out.is_dir():
            raise OutputError(f"{out} is a folder; name a file.")
        try:
            self._lock = locked(out)
        except OSError as error:
            raise self._refused(error) from None
        try:
            self._begin(settings, begin, resume)
        except BaseException:
            self._open.close()
            unlock(self._lock)
            raise

    def _begin(self, settings: Mapping[str, Any], begin: bytes, resume: bool) -> None:
        """Open both files, at their beginning or where the run was cut off."""
        try:
            plain = json.loads(json.dumps(settings))
            first, states, n_journal = _read(self.journal, self.part)
            cut_off = bool(states and states[-1]["done"])
            if resume and not cut_off and self.out.exists():
                self._stay(plain)
                return
            if cut_off and not resume:
                raise OutputError(
                    f"{self.part} is of a run that was cut off; go on with --resume, delete it, or choose another "
                    "--out."
                )
            if cut_off:
                self._go_on(first, states, plain)
            mode = "r+b" if cut_off else "wb"
            self._part = self._open.enter_context(open(self.part, mode))  # noqa: SIM115 (open until finish, keep or drop)
            self._journal = self._open.enter_context(open(self.journal, mode))  # noqa: SIM115 (open until finish, keep or drop)
            if cut_off:
                for file, size in ((self._part, self._state.n_bytes), (self._journal, n_journal)):
                    file.truncate(size)
                    file.seek(size)
            else:
                self._part.write(begin)
                self._journal.write(_line(settings))
            self._commit()
        except OSError as error:
            raise self._refused(error) from None

    @property
    def whole(self) -> bool:
        """Whether OUT was there already, of the same settings and names: nothing is left to add."""
        return self._whole

    @property
    def done(self) -> int:
        """How many of `names` were added, now or before."""
        return self._state.done

    @property
    def counts(self) -> Mapping[str, int]:
        """The sums of what `add` was told."""
        return self._state.counts

    @property
    def bad(self) -> list[tuple[str, str]]:
        """(name, why), in order."""
        return self._bad[: self._state.n_bad]

    def add(self, data: bytes, bad: str = "", **counts: int) -> None:
        """The next item's bytes, or why it is `bad`."""
        old = self._state
        names = old.names.copy()
        names.update(_name(self.names[old.done]))
        sums = {**old.counts, **{key: old.counts.get(key, 0) + n for key, n in counts.items()}}
        self._bad[old.n_bad :] = [(self.names[old.done], bad)] if bad else []
        try:
            self._part.write(data)
            # one assignment, last: Ctrl-C may come between any two lines
            self._state = _State(old.done + 1, old.n_bytes + len(data), names, sums, len(self._bad))
            if self.done % ITEMS == 0 or monotonic() - self._when > SECONDS:
                self._commit()
        except OSError as error:
            raise self._refused(error) from None

    def finish(self) -> None:
        """The part file becomes OUT, in one step."""
        if self._whole:
            return
        try:
            self._commit()
            self._open.close()
            os.replace(self.part, self.out)
        except OSError as error:
            raise self._refused(error) from None
        self._whole = True
        unlock(self._lock)

    def keep(self) -> None:
        """Stop here: what was added can be gone on from. After `finish` or `drop` it does nothing."""
        if not self._whole:
            with suppress(OSError):  # where it cannot be written, the journal's last line still holds
                if not self._part.closed:
                    self._commit()
            with suppress(OSError):
                self._open.close()
            if not self.done:
                self.drop()
        unlock(self._lock)

    def drop(self) -> None:
        """Leave nothing of an OUT that is not whole."""
        with suppress(OSError):
            self._open.close()
        for path in () if self._whole else (self.part, self.journal):
            path.unlink(missing_ok=True)
        unlock(self._lock)

    def _commit(self) -> None:
        state = self._state
        self._part.flush()
        os.fsync(self._part.fileno())  # the journal must not get ahead of it, even where the power fails
        content = {
            "done": state.done,
            "bytes": state.n_bytes,
            "names": state.names.hexdigest(),
            "counts": state.counts,
            "told": self._told,  # a line that Ctrl-C made come twice tells the same again
            "bad": self._bad[self._told : state.n_bad],
        }
        self._journal.write(_line(content))
        self._journal.flush()
        self._told, self._when = state.n_bad, monotonic()

    def _go_on(self, first: dict[str, Any], states: list[dict[str, Any]], settings: dict[str, Any]) -> None:
        """Take over what the journal tells, once it is known to be of this very run."""
        if told := _changed(first, settings):
            raise SettingError(
                f"{self.out} was begun with {told}; resume with the same settings or choose another --out."
            )
        last, names = states[-1], hashlib.sha256()
        for name in self.names[: last["done"]]:
            names.update(_name(name))
        if names.hexdigest() != last["names"]:
            raise DataError(
                f"{self.out} was begun with other files: some of the first {last['done']:,} were added or removed "
                f"since. Put them back, or delete {self.part} and start anew."
            )
        self._take(states, names)

    def _stay(self, settings: dict[str, Any]) -> None:
        """Leave OUT as it is, once the journal says that it is what these settings and names give."""
        anew = "Leave --resume away to write it anew, or choose another --out."
        first, states, _ = _read(self.journal, self.out)
        if not states:
            raise OutputError(f"{self.out} is there, and {self.journal} does not say what it was made with. {anew}")
        if told := _changed(first, settings):
            raise SettingError(f"{self.out} was made with {told}. {anew}")
        last, names = states[-1], hashlib.sha256()
        for name in self.names:
            names.update(_name(name))
        if names.hexdigest() != last["names"]:
            raise DataError(
                f"{self.out} was made of {last['done']:,} files; {len(self.names):,} came, or others. {anew}"
            )
        if self.out.stat().st_size != last["bytes"]:
            raise OutputError(f"{self.out} was changed since it was written. {anew}")
        self._take(states, names)
        self._whole = True

    def _take(self, states: list[dict[str, Any]], names: Any) -> None:
        """Stand where the journal's last line stands."""
        last = states[-1]
        for state in states:
            self._bad[state["told"] :] = [(name, why) for name, why in state["bad"]]
        self._told = len(self._bad)
        self._state = _State(last["done"], last["bytes"], names, last["counts"], self._told)

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.out} cannot be written: {error.strerror or error}. Check that the folder exists, may be written "
            "and has room" + ("; what was done is kept, --resume goes on." if self.done else ".")
        )


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode("ascii") + b"\n"


def _changed(first: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """What differs, in words; "" where nothing does."""

    def shown(value: Any) -> str:
        return repr(f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else value)  # a hash

    return ", ".join(
        f"{key} {shown(first.get(key))}, {shown(value)} came"
        for key, value in settings.items()
        if first.get(key) != value
    )


def _name(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape") + b"\0"


def _read(journal: Path, part: Path) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    """Settings, states and bytes of a journal, up to a line that was cut off or tells more than the part file holds."""
    if not (journal.is_file() and part.is_file()):
        return {}, [], 0
    n_bytes, size = part.stat().st_size, 0
    contents: list[dict[str, Any]] = []
    for text in journal.read_bytes().splitlines(keepends=True):
        try:
            content = json.loads(text) if text.endswith(b"\n") else None
        except ValueError:
            break
        if not isinstance(content, dict) or (contents and not _is_state(content, contents[1:], n_bytes)):
            break
        contents.append(content)
        size += len(text)
    return (contents[0] if contents else {}), contents[1:], size


def _is_state(content: dict[str, Any], before: list[dict[str, Any]], n_bytes: int) -> bool:
    """Whether a line of a journal is one that `GrowingFile` writes, of a part file of `n_bytes` or more."""
    values: list[Any] = [content.get(key) for key in ("done", "bytes", "told", "bad", "counts")]
    done, size, told, bad, counts = values
    last = before[-1] if before else {"done": 0, "bytes": 0, "told": 0, "bad": []}
    return (
        all(type(number) is int for number in (done, size, told))
        and last["done"] <= done
        and last["bytes"] <= size <= n_bytes
        and last["told"] <= told <= last["told"] + len(last["bad"])
        and isinstance(content.get("names"), str)
        and isinstance(counts, dict)
        and all(type(number) is int for number in counts.values())
        and isinstance(bad, list)
        and all(isinstance(row, list) and len(row) == 2 and all(isinstance(text, str) for text in row) for row in bad)
    )
