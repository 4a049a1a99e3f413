"""File names as UTF-8 text: a name may hold any bytes, what is read back as UTF-8 may not."""

from __future__ import annotations

import re

_ESCAPED = re.compile(r"\\x[89a-f][0-9a-f]")


def plain(name: str) -> str:
    r"""A file name that can be written as UTF-8. Different names stay different.

    Nearly all stay as they are. In one that is no UTF-8 each such byte becomes \xNN and each backslash two; likewise
    in one that holds the letters of such an escape. A name is thus escaped where \x80 to \xff stands in it.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        pass
    else:
        if not _ESCAPED.search(name):
            return name
    doubled = name.replace("\\", "\\\\")
    try:
        return doubled.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # Windows: half a character
        return doubled.encode("utf-8", "backslashreplace").decode()
