"""Waveforms to wav files, whole or not at all."""

from __future__ import annotations

import io
import os

import numpy as np
import soundfile

from ..errors import AudioError, SettingError, unknown
from ..files import write_whole


def write_wav(path: str | os.PathLike[str], waveform: np.ndarray, rate: int, subtype: str = "PCM_24") -> None:
    """Write (time,) or (channel, time) floats with full scale -1..1 as a wav file of `rate` Hz.

    Values beyond full scale are clipped unless `subtype` is FLOAT or DOUBLE. The file appears under its name only
    when it is complete. Raises AudioError for a waveform that is empty or not finite, SettingError for a subtype wav
    does not have when the folder is missing or not writable or the disk is full.
    """
    name = os.fspath(path)
    waveform = np.asarray(waveform)
    if waveform.ndim not in (1, 2) or waveform.size == 0:
        raise AudioError(f"write_wav takes a waveform (time,) or (channel, time); {waveform.shape} came for {name}.")
    if not np.issubdtype(waveform.dtype, np.floating):
        raise AudioError(f"write_wav takes floats in -1..1; {waveform.dtype} came for {name}. Divide by full scale.")
    if not np.isfinite(waveform).all():
        raise AudioError(f"write_wav takes finite samples; NaN or infinite ones came for {name}. Mend them first.")
    if not 1 <= rate <= 0x7FFFFFFF:
        raise SettingError(f"write_wav takes a rate of 1 Hz or more; {rate} came for {name}.")
    if not soundfile.check_format("WAV", subtype):
        raise unknown("write_wav", "subtype", subtype, soundfile.available_subtypes("WAV"))
    # Encoded in memory first: libsndfile tells nothing of a disk that fills up, Python's own file does.
    encoded = io.BytesIO()
    soundfile.write(encoded, waveform.T, rate, subtype=subtype, format="WAV")
    write_whole(path, encoded.getbuffer())
