"""Audio files to float32 waveforms: soundfile for wav, flac, ogg, mp3 and aiff, FFmpeg (PyAV) for the others."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, NoReturn

import numpy as np
import soundfile

from ..errors import AudioError, SettingError
from .containers import cut_reason, file_size, is_unfinished, tells_length, wav_data

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 2_000, 192_000

# More values than this are read in blocks: a wrong header must not decide how much memory is asked for.
_AT_ONCE = 64_000_000
_BLOCK_FRAMES = 1 << 20
_UNKNOWN_LENGTH = 1 << 40

Path = str | os.PathLike[str]


class AudioInfo(NamedTuple):
    """What a file holds: samples of one channel, sample rate in Hz, number of channels."""

    n_samples: int
    sample_rate_hz: int
    n_channels: int


def read_audio(path: Path, channels: str = "mean") -> tuple[np.ndarray, int]:
    """One mono waveform, (time,) float32 with full scale -1..1, and its sample rate in Hz.

    A stereo file becomes the mean of its channels, or its first (`channels` "mean" or "first"). Raises AudioError,
    naming the file, when it is missing, no audio, empty, cut, damaged, holds NaN, has more than two channels or a
    sample rate outside 2,000 to 192,000 Hz.
    """
    waveform, rate = decode_audio(path)
    return mono(waveform, channels, os.fspath(path)), rate


def mono(waveform: np.ndarray, channels: str = "mean", name: str = "the waveform") -> np.ndarray:
    """(channel, time) of one or two channels -> (time,). `name` is what an AudioError calls the sound."""
    if channels not in ("mean", "first"):
        raise SettingError(f"channels takes 'mean' or 'first'; '{channels}' came.")
    n_channels = waveform.shape[0]
    if n_channels > 2:
        raise AudioError(f"{name} has {n_channels} channels; 1 or 2 are taken. Take one channel or mix down first.")
    if n_channels == 1 or channels == "first":
        return waveform[0]
    return (waveform[0] + waveform[1]) * waveform.dtype.type(0.5)


def checked_waveform(waveform: np.ndarray, rate: int, channels: str = "mean") -> np.ndarray:
    """(time,) or (channel, time) floats of one's own -> (time,) float32, held to the rules of `read_audio`."""
    if not np.issubdtype(waveform.dtype, np.floating):
        raise AudioError(f"a waveform takes floats in -1..1; {waveform.dtype} came. Divide by full scale first.")
    if waveform.ndim not in (1, 2):
        raise AudioError(f"a waveform takes the shape (time,) or (channel, time); {waveform.shape} came.")
    result = mono(np.atleast_2d(waveform.astype(np.float32, copy=False)), channels)
    _check_rate("the waveform", rate)
    _check_samples("the waveform", result[None])
    return result


def decode_audio(path: Path) -> tuple[np.ndarray, int]:
    """Every channel, (channel, time) float32 with full scale -1..1, and the sample rate in Hz. Errors: read_audio."""
    name = os.fspath(path)
    with _opened(name) as file:
        sound = _soundfile(name, file)
        if sound is None:
            waveform, rate = _decoded_with_av(name)
        else:
            with sound:
                _check_rate(name, sound.samplerate)
                rate, waveform = sound.samplerate, _decoded(name, sound, exact=_is_exact(sound, file))
    _check_samples(name, waveform)
    return waveform, rate


class AudioBlocks(NamedTuple):
    """A file's sound, block by block: (channel, time) float32 at `rate` Hz."""

    rate: int
    n_channels: int
    blocks: Iterator[np.ndarray]


@contextmanager
def audio_blocks(path: Path, block_s: float = 10.0) -> Iterator[AudioBlocks]:
    """The file of `decode_audio` in blocks of `block_s` seconds, so that its length needs no memory.

    What `decode_audio` refuses is refused when it is met: a file that turns out to be cut, at its end. mp3 and what
    only FFmpeg reads are decoded whole, and then cut into blocks.
    """
    name = os.fspath(path)
    with _opened(name) as file:
        sound = _soundfile(name, file)
        if sound is None or sound.format == "MP3":  # soundfile seeks after each read, which changes what mp3 decodes to
            if sound is not None:
                sound.close()
            waveform, rate = decode_audio(name)
            size = max(1, round(block_s * rate))
            blocks = (waveform[:, at : at + size] for at in range(0, waveform.shape[1], size))
            yield AudioBlocks(rate, len(waveform), blocks)
            return
        with sound:
            _check_rate(name, sound.samplerate)
            size = max(1, round(block_s * sound.samplerate))
            blocks = _blocks(name, sound, size, exact=_is_exact(sound, file))
            yield AudioBlocks(sound.samplerate, sound.channels, blocks)


def audio_info(path: Path) -> AudioInfo:
    """Length, rate and channels from the header, refusing what `read_audio` refuses short of decoding.

    Files whose header does not tell the length (mp3 without a Xing tag, what only FFmpeg reads) are decoded.
    """
    name = os.fspath(path)
    with _opened(name) as file:
        sound = _soundfile(name, file)
        if sound is not None:
            with sound:
                _check_rate(name, sound.samplerate)
                if sound.frames == 0:
                    raise _no_samples(name)
                if _is_exact(sound, file):
                    return AudioInfo(sound.frames, sound.samplerate, sound.channels)
    waveform, rate = decode_audio(name)
    return AudioInfo(waveform.shape[1], rate, waveform.shape[0])


def _opened(name: str) -> BinaryIO:
    """The file, opened for reading: it is there, is a file, may be read and is not empty."""
    try:
        mode = os.stat(name)
        if stat.S_ISDIR(mode.st_mode):
            raise AudioError(f"{name} is a folder; an audio file is taken. Name a file inside it.")
        if not stat.S_ISREG(mode.st_mode):
            raise AudioError(f"{name} is a device or pipe; an audio file is taken. Save the sound to a file first.")
        if mode.st_size == 0:
            raise AudioError(f"{name} is empty (0 bytes); an audio file is taken. Copy or download it again.")
        return open(name, "rb")
    except FileNotFoundError:
        raise AudioError(f"{name} does not exist; an audio file is taken. Check the name and the folder.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"{name} cannot be read ({reason}). Check its permissions and the disk.") from None


def _soundfile(name: str, file: BinaryIO) -> soundfile.SoundFile | None:
    """The file as soundfile opens it, once it is known to be whole; None when its format is not soundfile's."""
    size = file_size(file)
    reason = cut_reason(file, size)
    if reason:
        raise AudioError(f"{name} is cut short: {reason}. Copy or download it again.")
    source: str | bytes | io.BytesIO = name if os.name == "nt" else os.fsencode(name)  # a name need not be UTF-8
    data = wav_data(file, size)
    if data and is_unfinished(file, size, data):  # soundfile would take the 0 in the header at its word
        file.seek(0)
        whole = bytearray(file.read())
        order = "big" if data.byte_order == ">" else "little"
        whole[data.size_at : data.size_at + 4] = min(data.present, 0xFFFFFFFF).to_bytes(4, order)
        source = io.BytesIO(whole)
    try:
        sound = soundfile.SoundFile(source)  # type: ignore[arg-type]  # its stub leaves bytes out
        if sound.frames < _UNKNOWN_LENGTH:
            return sound
        sound.close()  # a streamed flac leaves its length open; soundfile cannot read one to its end, FFmpeg can
        return None
    except soundfile.LibsndfileError as error:
        file.seek(0)
        if file.read(4) in (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"FORM"):
            _refuse_damaged(name, error)
        return None


def _is_exact(sound: soundfile.SoundFile, file: BinaryIO) -> bool:
    return sound.format != "MP3" or tells_length(file)


def _decoded_with_av(name: str) -> tuple[np.ndarray, int]:
    from .decode_av import decode_with_av

    waveform, rate = decode_with_av(name)
    _check_rate(name, rate)
    return waveform, rate


def _blocks(name: str, sound: soundfile.SoundFile, size: int, exact: bool) -> Iterator[np.ndarray]:
    n_samples, announced = 0, sound.frames
    while True:
        try:
            frames = _frames(sound, size)
        except (soundfile.SoundFileError, RuntimeError) as error:
            _refuse_damaged(name, error)
        if len(frames):
            _check_samples(name, frames.T, n_samples)
            n_samples += len(frames)
            yield np.ascontiguousarray(frames.T)
        if len(frames) < size:
            break
    _check_whole(name, n_samples, announced, exact)
    if not n_samples:
        raise _no_samples(name)


def _decoded(name: str, sound: soundfile.SoundFile, exact: bool) -> np.ndarray:
    announced = sound.frames
    try:
        if announced * sound.channels <= _AT_ONCE:
            frames = _frames(sound)
        else:
            blocks = [_frames(sound, _BLOCK_FRAMES)]
            while len(blocks[-1]) == _BLOCK_FRAMES:
                blocks.append(_frames(sound, _BLOCK_FRAMES))
            frames = np.concatenate(blocks)
    except (soundfile.SoundFileError, RuntimeError) as error:
        _refuse_damaged(name, error)
    _check_whole(name, len(frames), announced, exact)
    return np.ascontiguousarray(frames.T)


def _frames(sound: soundfile.SoundFile, most: int = -1) -> np.ndarray:
    """The next frames, (frame, channel) float32; those of 16 bits are read as they are, a third faster."""
    if sound.subtype == "PCM_16":
        return sound.read(most, dtype="int16", always_2d=True) * np.float32(1 / 32_768)
    return sound.read(most, dtype="float32", always_2d=True)


def _check_whole(name: str, decoded: int, announced: int, exact: bool) -> None:
    if exact and decoded < announced:
        raise AudioError(
            f"{name} is cut short: its header announces {announced} samples and {decoded} could be decoded. "
            "Copy or download it again."
        )


def _check_rate(name: str, rate: int) -> None:
    if not LOWEST_RATE_HZ <= rate <= HIGHEST_RATE_HZ:
        raise AudioError(
            f"{name} has a sample rate of {rate:,} Hz; {LOWEST_RATE_HZ:,} to {HIGHEST_RATE_HZ:,} Hz are taken. "
            "Mend the header if it is wrong, else resample the file first."
        )


def _check_samples(name: str, waveform: np.ndarray, first: int = 0) -> None:
    if waveform.shape[-1] == 0:
        raise _no_samples(name)
    if not np.isfinite(waveform).all():
        bad = first + int(np.flatnonzero(~np.isfinite(waveform).all(axis=0))[0])
        raise AudioError(
            f"{name} holds NaN or infinite samples (the first is sample {bad}); finite ones are taken. Make it anew."
        )


def _no_samples(name: str) -> AudioError:
    return AudioError(f"{name} holds no samples (a clip of 0 s); 1 sample or more is taken. Leave it out.")


def _refuse_damaged(name: str, error: Exception) -> NoReturn:
    reason = " ".join(str(getattr(error, "error_string", error)).split()).rstrip(".")
    raise AudioError(f"{name} is damaged or cut short and cannot be decoded ({reason}). Copy it again.") from None
