"""Audio files in and out: decode, encode, resample. Thin over soundfile and soxr, and free of torch.

Public names are loaded when first asked for, so importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

# The one name that is also its file's name is bound now: loaded later, `from tinyscene.audio import resample` would
# give the function or the file, whichever was imported last. Its file imports nothing heavy.
from .resample import resample

if TYPE_CHECKING:
    from .decode import AudioInfo, audio_info, decode_audio, mono, read_audio
    from .encode import write_wav

__all__ = ["AudioInfo", "audio_info", "decode_audio", "mono", "read_audio", "resample", "write_wav"]

__getattr__ = lazy_names(
    __name__,
    {
        "AudioInfo": "decode",
        "audio_info": "decode",
        "decode_audio": "decode",
        "mono": "decode",
        "read_audio": "decode",
        "write_wav": "encode",
    },
)
