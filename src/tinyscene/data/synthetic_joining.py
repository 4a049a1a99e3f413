"""Seconds of a synthetic scene put together to a clip, for one ear or two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .synthetic_devices import CLIP_SAMPLES, RENDER_SAMPLES, RUN_IN_SAMPLES


def join_seconds(seconds: Sequence[np.ndarray]) -> np.ndarray:
    """Rendered seconds one after the other -> (RUN_IN_SAMPLES + len(seconds) * CLIP_SAMPLES,) float32.

    Each fades over into the next during their run-in of 45 ms, so that no click marks the seconds.
    """
    rise = np.sin(np.linspace(0, np.pi / 2, RUN_IN_SAMPLES, dtype=np.float32))  # equal power: they are independent
    whole = np.zeros(RUN_IN_SAMPLES + len(seconds) * CLIP_SAMPLES, np.float32)
    for index, second in enumerate(seconds):
        part = second.copy()
        if index > 0:
            part[:RUN_IN_SAMPLES] *= rise
        if index < len(seconds) - 1:
            part[-RUN_IN_SAMPLES:] *= rise[::-1]
        whole[index * CLIP_SAMPLES :][:RENDER_SAMPLES] += part
    return whole


def two_ears(seconds: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rendered seconds as a left and a right ear hear them, each as of `join_seconds`; their mean is the mono scene.

    What lies to the side is the sound of the same location half a clip away, 6 dB softer: unlike the middle, and no
    second scene has to be rendered.
    """
    half = len(seconds) // 2
    middle = join_seconds(seconds)
    side = np.float32(0.5) * join_seconds([*seconds[half:], *seconds[:half]])
    return middle + side, middle - side
