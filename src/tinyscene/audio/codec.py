"""A waveform through MP3 or AAC and back, by FFmpeg through PyAV, in memory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import AudioError, missing_extra, unknown, within
from .resample import resample

LOWEST_KBPS, HIGHEST_KBPS = 8, 320


class _Codec(NamedTuple):
    """FFmpeg's coder and decoder of one format, and what they need to be told.

    Attributes:
        delay: samples by which coder and decoder together are late. MP3: 576 + 529 of LAME, AAC: one frame.
        options: of the coder. The quick ways of both: the sound is that of the bit rate, in half the time.
    """

    encoder: str
    decoder: str
    delay: int
    options: dict[str, str]


_CODECS = {
    "mp3": _Codec("libmp3lame", "mp3float", 1105, {"compression_level": "7"}),
    "aac": _Codec("aac", "aac", 1024, {"aac_coder": "fast"}),
}
CODECS = tuple(_CODECS)


def codec_round_trip(waveform: np.ndarray, rate_hz: int, codec: str, kbps: int) -> np.ndarray:
    """(time,) floats at `rate_hz` -> (time,) float32 as it comes back from `codec` ("mp3" or "aac"), not delayed.

    `kbps` is the bit rate of the one channel, 8 to 320 kbit/s, constant; the coder takes the nearest one that the
    format has at this sample rate (MP3 at 44.1 kHz: 32, 40, 48, 56, 64, 80, 96, 112, 128, ... 320). A sample rate that
    the codec does not know is resampled to the next higher one that it does know, and back. The result may exceed
    full scale a little. Raises MissingExtraError where PyAV is not installed.
    """
    try:
        import av
    except ImportError:
        raise missing_extra("codec_round_trip", "train", "av") from None
    if codec not in _CODECS:
        raise unknown("codec_round_trip", "codec", codec, _CODECS)
    within("codec_round_trip.kbps", kbps, LOWEST_KBPS, HIGHEST_KBPS)
    if not np.isfinite(waveform).all():
        raise AudioError("codec_round_trip takes finite samples; NaN or infinite ones came. Mend them first.")
    if waveform.size == 0:
        return np.asarray(waveform, dtype=np.float32)
    own = _CODECS[codec]
    rates = av.Codec(own.encoder, "w").audio_rates or (rate_hz,)
    rate = min((r for r in rates if r >= rate_hz), default=max(rates))
    coded = resample(waveform, rate_hz, rate)

    encoder = av.Codec(own.encoder, "w").create("audio")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "fltp"
    encoder.bit_rate, encoder.thread_count, encoder.options = kbps * 1000, 1, own.options
    frame = av.AudioFrame.from_ndarray(coded[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    packets = encoder.encode(frame) + encoder.encode(None)

    decoder = av.Codec(own.decoder, "r").create("audio")
    # Packets of MP3 tell their delay and those of AAC do not: none is to be cut but by us.
    decoder.options, decoder.thread_count = {"flags2": "+skip_manual"}, 1
    decoder.extradata = encoder.extradata
    frames = [frame.to_ndarray()[0] for packet in (*packets, None) for frame in decoder.decode(packet)]
    decoded = np.concatenate(frames)[own.delay : own.delay + len(coded)]
    result = np.zeros(len(waveform), dtype=np.float32)
    back = resample(decoded, rate, rate_hz)[: len(result)]
    result[: len(back)] = back  # two roundings may cost one sample
    return result
