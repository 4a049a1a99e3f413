"""Audio files in and out: decode, encode, resample. Thin over soundfile and soxr, and free of torch.

Public names are loaded when first asked for, so importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# The one name that is also its file's name is bound now: loaded later, `from tinyscene.audio import resample` would
# give the function or the file, whichever was imported last. Its file imports nothing heavy.
from .resample import resample

if TYPE_CHECKING:
    from .decode import AudioInfo, audio_info, decode_audio, mono, read_audio
    from .encode import write_wav

__all__ = ["AudioInfo", "audio_info", "decode_audio", "mono", "read_audio", "resample", "write_wav"]

_HOMES = dict.fromkeys(["AudioInfo", "audio_info", "decode_audio", "mono", "read_audio"], ".decode")
_HOMES["write_wav"] = ".encode"


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
