"""Which clips of a data set cannot be decoded."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ..audio import read_audio
from ..errors import AudioError
from .dataset import Dataset


def undecodable(
    dataset: Dataset, channels: str, progress: Callable[[int, int], None] | None = None
) -> list[tuple[str, str]]:
    """(file, why) of each clip that cannot be decoded; all of them are tried. `channels` as of read_audio."""

    def tried(file: str) -> str:
        try:
            read_audio(dataset.root / file, channels)
        except AudioError as error:
            return str(error)
        return ""

    found = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for i, (file, why) in enumerate(zip(dataset.files, pool.map(tried, dataset.files), strict=True)):
            if why:
                found.append((file, why))
            if progress:
                progress(i + 1, len(dataset))
    return found
