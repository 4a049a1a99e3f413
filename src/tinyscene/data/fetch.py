"""One file over HTTP: resumed by Range, tried again where the line is bad, never longer or shorter than announced."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
    import requests

WAITS_S = (1.0, 2.0, 4.0, 8.0)  # between tries that brought nothing new; after the last one it is an error
_TIMEOUT_S = (15, 30)  # to connect, and between two pieces
_LONGEST_WAIT_S = 60.0  # of what a server may ask for
_PIECE = 1 << 18
_LATER = (408, 425, 429, 500, 502, 503, 504)  # answers that may be another one in a while


class Stopped(Exception):
    """Somebody asked to stop; what has arrived is kept."""


class _Again(Exception):
    """A try that failed for a reason that may pass."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def fetch(
    url: str,
    part: Path,
    size: int | None,
    checked: bool,
    stop: Event,
    advance: Callable[[int], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Bring `part` to the whole of `url`; goes on from the bytes that it has, where that is safe and the server can.

    Args:
        size: bytes that the file must have; None trusts the server.
        checked: a checksum will tell whether two versions were put together. Without one the server has to say that
            its file is still the one that the bytes are of (an ETag or a date, kept beside `part`).
        stop: once set, `Stopped` is raised within a piece or a time-out.
        advance: called with bytes that came, and with a negative number where some had to be dropped.
        say: called with a line where bytes of an earlier call cannot be used.

    Raises:
        DataError: the server refuses, or several tries in a row brought nothing; `part` stays.
        OSError: `part` cannot be written.
    """
    transfer = _Transfer(url, part, size, checked, stop, advance or (lambda n: None))
    earlier = furthest = _bytes_of(part)
    failures = 0
    if earlier and not transfer.can_go_on and say:
        say(f"{part.name}: nothing tells which version its {earlier:,} bytes are of; it starts anew.")
    while size is None or _bytes_of(part) != size:
        try:
            whole = transfer.tried()
            known = f" of {size:,}" if size is not None else ""
            failure = _Again(f"the connection ended after {_bytes_of(part):,}{known} bytes")
        except _Again as again:
            whole, failure = False, again
        if earlier and transfer.can_go_on and transfer.started_over:
            if say:
                say(f"{part.name}: the server does not go on from {earlier:,} bytes; it starts anew.")
            earlier = 0
        if whole:
            break
        if _bytes_of(part) > furthest:
            furthest, failures = _bytes_of(part), 0
        failures += 1
        if failures > len(WAITS_S):
            kept = f" {transfer.outlook}" if _bytes_of(part) else ""
            raise DataError(f"{url} could not be fetched: {failure}, {failures} times in a row.{kept}")
        if stop.wait(max(WAITS_S[failures - 1], min(failure.wait_s, _LONGEST_WAIT_S))):
            raise Stopped
    tag_of(part).unlink(missing_ok=True)


def tag_of(part: Path) -> Path:
    """The file that says which version, in the server's words, the bytes of `part` are of."""
    return part.with_name(f"{part.name}.version")


class _Transfer:
    """The tries of one file.

    Attributes:
        started_over: whether the server gave the beginning where a later part was asked for.
    """

    def __init__(
        self, url: str, part: Path, size: int | None, checked: bool, stop: Event, advance: Callable[[int], None]
    ) -> None:
        self.url, self.part, self.size, self.checked, self.stop, self.advance = url, part, size, checked, stop, advance
        self.started_over = False

    @property
    def can_go_on(self) -> bool:
        """Whether bytes that came may be kept for another try."""
        return self.checked or tag_of(self.part).is_file()

    @property
    def outlook(self) -> str:
        """What becomes of the bytes that came."""
        if self.started_over or not self.can_go_on:
            return "The server cannot go on where it stopped: the next try starts anew."
        return "What came is kept."

    def tried(self) -> bool:
        """One request; whether all that was announced came."""
        import requests
        import urllib3

        from .. import __version__

        if self.size is not None and _bytes_of(self.part) > self.size:
            self._drop()
        have = _bytes_of(self.part) if self.can_go_on else 0
        # identity: a server that packs the bytes would announce another length than the record's
        headers = {"Accept-Encoding": "identity", "User-Agent": f"tinyscene/{__version__}"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if not self.checked:
                headers["If-Range"] = tag_of(self.part).read_text(encoding="latin-1")
        try:
            with requests.get(self.url, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
                if have and answer.status_code == 416 and answer.headers.get("Content-Range") == f"bytes */{have}":
                    return True
                start = _start_of(answer, self.url, have)
                if start != _bytes_of(self.part):
                    self.started_over = self.started_over or have > 0
                    self._drop()
                if start is None:
                    raise _Again("the server sent another range than was asked for")
                if start == 0 and not self.checked:
                    self._keep_tag(answer)
                announced = answer.headers.get("Content-Length", "")
                whole = start + int(announced) if announced.isdecimal() else None
                self._take(answer)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as error:
            if isinstance(error, ValueError):  # no URL at all
                raise DataError(f"{self.url} cannot be fetched: {error}") from None
            raise _Again(_plain(error)) from None
        came = _bytes_of(self.part)
        if self.size is None:
            return whole is None or came == whole
        if came > self.size:
            self._drop()
            raise DataError(
                f"{self.url} is longer than the {self.size:,} bytes of the record; it is another file. Deleted."
            )
        return came == self.size

    def _take(self, answer: requests.Response) -> None:
        with open(self.part, "ab") as file:
            # read1 and not iter_content: that one drops what came of a piece before the line was cut
            while piece := answer.raw.read1(_PIECE, decode_content=True):
                file.write(piece)
                self.advance(len(piece))
                if self.stop.is_set():
                    raise Stopped
                if self.size is not None and file.tell() > self.size:
                    break

    def _keep_tag(self, answer: requests.Response) -> None:
        """The version that this answer is of; a weak ETag does not tell bytes from bytes."""
        etag = answer.headers.get("ETag", "")
        version = etag if etag.startswith('"') else answer.headers.get("Last-Modified", "")
        if version and answer.headers.get("Accept-Ranges", "").lower() != "none":
            tag_of(self.part).write_text(version, encoding="latin-1")

    def _drop(self) -> None:
        """Start over."""
        self.advance(-_bytes_of(self.part))
        self.part.unlink(missing_ok=True)
        tag_of(self.part).unlink(missing_ok=True)


def _start_of(answer: requests.Response, url: str, have: int) -> int | None:
    """The first byte that this answer brings; None for one that was not asked for.

    Raises:
        DataError: a refusal that will not pass.
        _Again: one that may.
    """
    code = answer.status_code
    if code in _LATER:
        wait = answer.headers.get("Retry-After", "")
        raise _Again(f"the server answered {code} {answer.reason}", float(wait) if wait.isdecimal() else 0.0)
    if code == 416:
        return None
    if code not in (200, 206):
        hint = " It may have moved: look at the record's page." if code in (404, 410) else ""
        raise DataError(f"{url} cannot be fetched: the server answered {code} {answer.reason}.{hint}")
    if "text/html" in answer.headers.get("Content-Type", ""):
        raise DataError(f"{url} gave a web page, not the file. Is a login page or a proxy in between?")
    if code == 200:
        return 0
    given = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return have if given and int(given[1]) == have else None


def _plain(error: Exception) -> str:
    """What happened in a few words; the libraries' own are nested and hold addresses of objects."""
    for words, plain in (("SSL", "no trusted secure connection"), ("timed out", "the server went silent")):
        if words in str(error):
            return plain
    return "no connection, or it was cut"


def _bytes_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
