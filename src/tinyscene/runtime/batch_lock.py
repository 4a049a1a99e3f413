"""A lock beside an output, so that two runs do not write it at once."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import OutputError


def locked(out: Path) -> BinaryIO:
    """OUT.lock, held by this run until `unlock`; the system lets go of it when the process ends, however it ends.

    OutputError while another run holds it, in this process or another.
    """
    path = out.with_name(f"{out.name}.lock")
    while True:
        file = open(path, "ab")  # noqa: SIM115 (open until unlock)
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


def unlock(file: BinaryIO) -> None:
    """Remove OUT.lock and let go of it, in this order; a second time it does nothing."""
    if not file.closed:
        with suppress(OSError):
            os.unlink(file.name)
        file.close()
