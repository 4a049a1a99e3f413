"""Is an audio file whole? Decoders play what is left of a cut file without a word; its container tells.

Each check reads a few hundred bytes, so that it costs little beside decoding.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO, NamedTuple

# Ogg: 27 bytes of header, 255 segment lengths, 255 segments of 255 bytes (RFC 3533, section 6).
_LARGEST_OGG_PAGE = 27 + 255 + 255 * 255
_END_OF_STREAM = 4


class WavData(NamedTuple):
    """The data chunk of a wav file: where its size is written, what it announces and what is there, in bytes."""

    size_at: int
    byte_order: str
    announced: int
    present: int


def cut_reason(file: BinaryIO, size: int) -> str | None:
    """What shows that the audio in `file`, `size` bytes long, was cut; None when nothing shows it."""
    file.seek(0)
    head = file.read(12)
    if _is_wav(head):
        data = wav_data(file, size)
        if data and data.announced > data.present and not _is_streamed(data.announced):
            return f"its data chunk announces {data.announced} bytes and {data.present} are there"
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        announced = int.from_bytes(head[4:8], "big")
        if announced + 8 > size and not _is_streamed(announced):
            return f"its header announces {announced + 8} bytes and {size} are there"
    elif head[:4] == b"OggS":
        return _ogg_cut_reason(file, size)
    return None


def wav_data(file: BinaryIO, size: int) -> WavData | None:
    """The data chunk of the wav `file`, or None when it has none."""
    file.seek(0)
    head = file.read(12)
    if not _is_wav(head):
        return None
    byte_order = ">" if head[:4] == b"RIFX" else "<"
    size_64 = None
    at = 12
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack(byte_order + "4sI", file.read(8))
        if name == b"ds64":  # RF64: the true size stands here, 64 bits wide (EBU Tech 3306)
            size_64 = int.from_bytes(file.read(16)[8:], "little")
        if name == b"data":
            announced = size_64 if size_64 is not None and length == 0xFFFFFFFF else length
            return WavData(at + 4, byte_order, announced, size - at - 8)
        at += 8 + length + length % 2
    return None


def is_unfinished(file: BinaryIO, size: int, data: WavData) -> bool:
    """Whether a wav was streamed with a data size of 0 left in its header, sound following.

    A wav that truly holds nothing may have chunks behind its empty data chunk: then its RIFF size fits the file.
    """
    file.seek(4)
    riff_size = struct.unpack(data.byte_order + "I", file.read(4))[0]
    return data.announced == 0 and data.present > 0 and riff_size != size - 8


def tells_length(file: BinaryIO) -> bool:
    """Whether the header of an mp3 counts its frames (a Xing or Info tag). Without one its length is a guess."""
    file.seek(0)
    head = file.read(10)
    if head[:3] == b"ID3":  # its size has 7 bits to a byte (ID3v2, section 3.1)
        file.seek(10 + sum((byte & 127) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)))
    first_frame = file.read(256)
    return b"Xing" in first_frame or b"Info" in first_frame


def _is_wav(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE"


def _is_streamed(announced: int) -> bool:
    """Sizes that a program writes when it cannot seek back: 0, about 4 GiB (ffmpeg), about 2 GiB (sox, arecord)."""
    return announced == 0 or announced >= 0xFFFFFF00 or 0x7FFFEF00 <= announced <= 0x80000000


def _ogg_cut_reason(file: BinaryIO, size: int) -> str | None:
    file.seek(max(0, size - _LARGEST_OGG_PAGE))
    tail = file.read()
    page = tail.rfind(b"OggS")
    if page < 0:
        return "its end is no ogg page"
    header = tail[page : page + 27]
    lengths = tail[page + 27 : page + 27 + header[26]] if len(header) == 27 else b""
    if len(header) < 27 or len(lengths) < header[26] or page + 27 + header[26] + sum(lengths) > len(tail):
        return "its last ogg page is not complete"
    if not header[5] & _END_OF_STREAM:
        return "its last ogg page is not marked as the end of the stream"
    return None


def file_size(file: BinaryIO) -> int:
    """Bytes of an open file."""
    return os.fstat(file.fileno()).st_size
