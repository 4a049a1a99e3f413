"""An output that grows item by item, and the small journal beside it with which a killed run goes on."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, NamedTuple

from ..errors import DataError, OutputError, SettingError

ITEMS, SECONDS = 64, 2.0  # a kill loses the work on so many items, or of so many seconds, at most


class _State(NamedTuple):
    """How far the part file goes: items, bytes, the hash of the items' names, sums, items that were bad."""

    done: int
    n_bytes: int
    names: Any
    counts: Mapping[str, int]
    n_bad: int


class GrowingFile:
    """OUT.part and OUT.journal, until `finish` makes OUT of them.

    The journal's first line holds `settings`, of which nothing may change; each other one says how many of `names`
    are in the part file, how many bytes these are, the sums of `counts`, and what was `bad` since the line before.

    Raises:
        OutputError: the place cannot be written, another run writes it now, or a run that was cut off lies there
            (without resume).
        SettingError: resume with other settings.
        DataError: resume, but the items done are no longer the first of `names`.
    """

    def __init__(self, out: Path, names: Sequence[str], settings: Mapping[str, Any], begin: bytes, resume: bool):
        self.out, self.names = out, names
        self.part, self.journal = (out.with_name(f"{out.name}.{end}") for end in ("part", "journal"))
        self._bad: list[tuple[str, str]] = []
        self._state, self._told, self._when = _State(0, len(begin), hashlib.sha256(), {}, 0), 0, monotonic()
        self._open = ExitStack()
        if out.is_dir():
            raise OutputError(f"{out} is a folder; name a file.")
        try:
            self._lock = _locked(out)
        except OSError as error:
            raise self._refused(error) from None
        try:
            self._begin(settings, begin, resume)
        except BaseException:
            self._open.close()
            _unlock(self._lock)
            raise

    def _begin(self, settings: Mapping[str, Any], begin: bytes, resume: bool) -> None:
        """Open both files, at their beginning or where the run was cut off."""
        try:
            first, states, n_journal = _read(self.journal, self.part)
            cut_off = bool(states and states[-1]["done"])
            if cut_off and not resume:
                raise OutputError(
                    f"{self.part} is of a run that was cut off; go on with --resume, delete it, or choose another "
                    "--out."
                )
            if cut_off:
                self._go_on(first, states, json.loads(json.dumps(settings)))
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
        try:
            self._commit()
            self._part.close()
            os.replace(self.part, self.out)
        except OSError as error:
            raise self._refused(error) from None
        self.drop()

    def keep(self) -> None:
        """Stop here: what was added can be gone on from. After `finish` or `drop` it does nothing."""
        with suppress(OSError):  # where it cannot be written, the journal's last line still holds
            if not self._part.closed:
                self._commit()
        with suppress(OSError):
            self._open.close()
        if not self.done:
            self.drop()
        _unlock(self._lock)

    def drop(self) -> None:
        """Leave nothing but what `finish` made."""
        with suppress(OSError):
            self._open.close()
        for path in (self.part, self.journal):
            path.unlink(missing_ok=True)
        _unlock(self._lock)

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
        for key, value in settings.items():
            if first.get(key) != value:
                raise SettingError(
                    f"{self.out} was begun with {key} {first.get(key)!r}, {value!r} came; "
                    "resume with the same settings or choose another --out."
                )
        last, names = states[-1], hashlib.sha256()
        for name in self.names[: last["done"]]:
            names.update(_name(name))
        if names.hexdigest() != last["names"]:
            raise DataError(
                f"{self.out} was begun with other files: some of the first {last['done']:,} were added or removed "
                f"since. Put them back, or delete {self.part} and start anew."
            )
        for state in states:
            self._bad[state["told"] :] = [(name, why) for name, why in state["bad"]]
        self._told = len(self._bad)
        self._state = _State(last["done"], last["bytes"], names, last["counts"], self._told)

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.out} cannot be written: {error.strerror or error}. Check that the folder exists, may be written "
            "and has room; what was done is kept, --resume goes on."
        )


def _locked(out: Path) -> BinaryIO:
    """OUT.lock, held by this run until `_unlock`; the system lets go of it when the process ends, however it ends.

    OutputError while another run holds it, in this process or another.
    """
    path = out.with_name(f"{out.name}.lock")
    while True:
        file = open(path, "ab")  # noqa: SIM115 (open until _unlock)
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise
            raise OutputError(
                f"{out} is being written by another run, which holds {path}. Wait for it to end, or choose another "
                "--out; a run that was killed holds nothing."
            ) from None
        with suppress(OSError):
            if os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                return file
        file.close()  # the run before removed it when it ended, just now


def _unlock(file: BinaryIO) -> None:
    """Remove OUT.lock and let go of it, in this order; a second time it does nothing."""
    if not file.closed:
        with suppress(OSError):
            os.unlink(file.name)
        file.close()


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode("ascii") + b"\n"


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
