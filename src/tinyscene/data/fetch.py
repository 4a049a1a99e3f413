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
    url: str, part: Path, size: int | None, resume: bool, stop: Event, advance: Callable[[int], None] | None = None
) -> None:
    """Bring `part` to the whole of `url`; goes on from the bytes that it has.

    Args:
        size: bytes that the file must have; None trusts the server.
        resume: False starts from nothing: without a checksum two versions could be put together.
        stop: once set, `Stopped` is raised within a piece or a time-out.
        advance: called with bytes that came, and with a negative number where some had to be dropped.

    Raises:
        DataError: the server refuses, or several tries in a row brought nothing; `part` stays.
        OSError: `part` cannot be written.
    """
    advance = advance or (lambda n: None)
    if not resume:
        _drop(part, advance)
    furthest, failures = _bytes_of(part), 0
    while size is None or _bytes_of(part) != size:
        try:
            if _transfer(url, part, size, resume, stop, advance):
                return
            known = f" of {size:,}" if size is not None else ""
            failure = _Again(f"the connection ended after {_bytes_of(part):,}{known} bytes")
        except _Again as again:
            failure = again
        if _bytes_of(part) > furthest:
            furthest, failures = _bytes_of(part), 0
        failures += 1
        if failures > len(WAITS_S):
            kept = " What came is kept." if resume and _bytes_of(part) else ""
            raise DataError(f"{url} could not be fetched: {failure}, {failures} times in a row.{kept}")
        if stop.wait(max(WAITS_S[failures - 1], min(failure.wait_s, _LONGEST_WAIT_S))):
            raise Stopped


def _transfer(
    url: str, part: Path, size: int | None, resume: bool, stop: Event, advance: Callable[[int], None]
) -> bool:
    """One request; whether all that was announced came."""
    import requests
    import urllib3

    from .. import __version__

    if size is not None and _bytes_of(part) > size:
        _drop(part, advance)
    have = _bytes_of(part) if resume else 0
    # identity: a server that packs the bytes would announce another length than the record's
    headers = {"Accept-Encoding": "identity", "User-Agent": f"tinyscene/{__version__}"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
            start = _start_of(answer, url, have)
            if start != _bytes_of(part):
                _drop(part, advance)
            if start is None:
                raise _Again("the server sent another range than was asked for")
            announced = answer.headers.get("Content-Length", "")
            whole = start + int(announced) if announced.isdecimal() else None
            with open(part, "ab") as file:
                # read1 and not iter_content: that one drops what came of a piece before the line was cut
                while piece := answer.raw.read1(_PIECE, decode_content=True):
                    file.write(piece)
                    advance(len(piece))
                    if stop.is_set():
                        raise Stopped
                    if size is not None and file.tell() > size:
                        break
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as error:
        if isinstance(error, ValueError):  # no URL at all
            raise DataError(f"{url} cannot be fetched: {error}") from None
        raise _Again(_plain(error)) from None
    came = _bytes_of(part)
    if size is not None:
        if came > size:
            _drop(part, advance)
            raise DataError(f"{url} is longer than the {size:,} bytes of the record; it is another file. Deleted.")
        return came == size
    return whole is None or came == whole


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


def _drop(part: Path, advance: Callable[[int], None]) -> None:
    """Start over."""
    advance(-_bytes_of(part))
    part.unlink(missing_ok=True)
