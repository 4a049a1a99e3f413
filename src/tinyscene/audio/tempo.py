"""Faster or slower at the same pitch: FFmpeg's atempo (overlap and add of similar waveforms) through PyAV."""

from __future__ import annotations

import numpy as np

from ..errors import missing_extra, within

SLOWEST, FASTEST = 0.5, 2.0  # beyond 2 atempo leaves sound out


def change_tempo(waveform: np.ndarray, rate_hz: int, factor: float) -> np.ndarray:
    """(time,) floats -> (round(time / factor),) float32, `factor` times as fast, 0.5 to 2, at the same pitch.

    No clip becomes shorter than one sample. Events stay within some 10 ms of their place, time / factor. Raises
    MissingExtraError where PyAV is not installed.
    """
    try:
        import av
        from av.error import BlockingIOError, EOFError
        from av.filter import Graph
    except ImportError:
        raise missing_extra("change_tempo", "train", "av") from None
    within("change_tempo.factor", factor, SLOWEST, FASTEST)
    waveform = np.asarray(waveform, dtype=np.float32)
    if waveform.size == 0 or factor == 1:
        return waveform
    n_samples = max(1, round(len(waveform) / factor))
    # atempo works in windows of at most rate / 12 samples and does not end in the middle of one: it is given more than
    # the clip, as a mirror behind its end would sound, and the result is cut.
    longer = np.pad(waveform, (0, rate_hz // 5 + 1), mode="symmetric")
    graph = Graph()
    source = graph.add_abuffer(sample_rate=rate_hz, format="flt", layout="mono")
    graph.link_nodes(source, graph.add("atempo", f"{float(factor)}"), graph.add("abuffersink")).configure()
    frame = av.AudioFrame.from_ndarray(longer[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate_hz, 0
    graph.push(frame)
    graph.push(None)
    parts = []
    while True:
        try:
            parts.append(graph.pull().to_ndarray()[0])
        except (BlockingIOError, EOFError):
            return np.concatenate(parts)[:n_samples]
