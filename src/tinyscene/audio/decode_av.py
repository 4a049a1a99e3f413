"""The formats soundfile does not know (m4a, aac, wma, webm, ...), decoded by FFmpeg through PyAV."""

from __future__ import annotations

import numpy as np

from ..errors import AudioError, install

NATIVE_ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")


def decode_with_av(name: str) -> tuple[np.ndarray, int]:
    """Every channel of the first audio stream, (channel, time) float32 with full scale -1..1, and its rate in Hz.

    Raises AudioError when PyAV is not installed, when the file holds no audio, and when packets are missing.
    """
    try:
        import av
        from av.error import FFmpegError
    except ImportError:
        raise _not_native(name) from None
    parts: list[np.ndarray] = []
    try:
        with av.open(f"file:{name}") as container:
            if not container.streams.audio:
                raise _no_audio(name)
            stream = container.streams.audio[0]
            announced, rate = stream.frames, stream.rate
            resampler = av.AudioResampler(format="fltp")
            n_packets = 0
            for packet in container.demux(stream):
                n_packets += packet.size > 0
                for frame in packet.decode():
                    parts += [part.to_ndarray() for part in resampler.resample(frame)]
            parts += [part.to_ndarray() for part in resampler.resample(None)]
    except (FFmpegError, AttributeError, ValueError) as error:  # no decoder: no rate, no layout
        if parts:
            reason = getattr(error, "strerror", error)
            raise AudioError(
                f"{name} is damaged or cut short and cannot be decoded to its end ({reason}). Copy it again."
            ) from None
        raise _no_audio(name) from None
    if n_packets < announced:  # mp4 and its kin announce packets; others announce 0
        raise AudioError(
            f"{name} is cut short: its header announces {announced} packets and {n_packets} are there. "
            "Copy or download it again."
        )
    if not parts:
        raise _no_audio(name)
    return np.concatenate(parts, axis=1).astype(np.float32, copy=False), rate


def _no_audio(name: str) -> AudioError:
    return AudioError(
        f"{name} holds no audio that can be decoded; wav, flac, ogg, mp3, aiff and what FFmpeg reads (m4a, aac, "
        "wma, webm, ...) are taken. Check that it is an audio file, and copy it again if it should be."
    )


def _not_native(name: str) -> AudioError:
    with open(name, "rb") as file:
        if file.read(4) == b"fLaC":
            return AudioError(
                f"{name} does not tell its length (flac from a stream); reading it needs the extra 'train': "
                f"{install('train')}. Or encode it anew to a file."
            )
    if name.lower().endswith(NATIVE_ENDINGS):
        return AudioError(
            f"{name} is not audio, whatever its name says; wav, flac, ogg, mp3 and aiff are taken. "
            "Check where it came from."
        )
    return AudioError(
        f"{name} is not wav, flac, ogg, mp3 or aiff; other formats (m4a, aac, wma, webm, ...) need the extra "
        f"'train': {install('train')}. Or convert it to wav first."
    )
