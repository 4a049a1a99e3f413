"""What the file names of TAU sets say: scene, city, location, segment, device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import DataError
from .bad_rows import BadRows
from .tables import Table

NO_TAU_NAME = "'{file}' is no TAU file name: <scene>-<city>-<location>-<segment>[-<second>]-<device>.wav"


@dataclass(frozen=True)
class ClipName:
    """What a TAU file name says: <scene>-<city>-<location>-<segment>[-<second>]-<device>.wav."""

    scene: str
    city: str
    location: str
    segment: str
    device: str


def parse_name(file: str) -> ClipName:
    """The parts of a TAU file name.

    Raises:
        DataError: the name has not five or six parts.
    """
    parts = PurePosixPath(file).stem.split("-")
    if len(parts) not in (5, 6):
        raise DataError(f"{NO_TAU_NAME.format(file=file)}.")
    return ClipName(parts[0], parts[1], parts[2], parts[3], parts[-1])


class Columns:
    """What the names of the clips say, column by column; equal words are kept once."""

    def __init__(self, names: Iterable[str], tables: Sequence[Table], bad: BadRows):
        self.files: list[str] = []
        self.device: list[str] = []
        self.city: list[str] = []
        self.recording: list[str] = []
        self.segment: list[str] = []
        once: dict[str, str] = {}
        moments: dict[str, tuple[str, str, str]] = {}  # several devices hear each
        for file in names:
            moment, _, device = file[file.rfind("/") + 1 : file.rfind(".")].rpartition("-")
            known = moments.get(moment)
            if known is None:
                parts = moment.split("-")
                if len(parts) not in (4, 5):
                    table = next(table for table in tables if file in table.columns["filename"])
                    line = table.lines[table.columns["filename"].index(file)]
                    bad.add(table.path, line, NO_TAU_NAME.format(file=file))
                    continue
                recording = "-".join(parts[:3])
                known = once.setdefault(parts[1], parts[1]), once.setdefault(recording, recording), moment
                moments[moment] = known
            city, recording, segment = known
            self.files.append(file)
            self.device.append(once.setdefault(device, device))
            self.city.append(city)
            self.recording.append(recording)
            self.segment.append(segment)
