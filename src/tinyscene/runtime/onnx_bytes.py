"""The metadata of an ONNX file, read from its bytes: a ModelProto is a list of (field, wire type, content).

The device has no onnx package, and the checksum needs the place of a value inside the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

METADATA = 14  # field number in ModelProto of onnx.proto3
KEY, VALUE = 1, 2  # of StringStringEntryProto
_FIRST_BYTE = b"\x08"  # every ONNX file begins with its IR version: field 1, a varint
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


class NotOnnx(Exception):
    """The bytes are no ModelProto at all."""


class CutShort(Exception):
    """The bytes begin as a ModelProto whose last field runs past their end."""


class Value(NamedTuple):
    """A metadata value and where it stands in the file: data[start : start + len(text)]."""

    text: bytes
    start: int


def metadata(data: bytes) -> dict[str, Value]:
    """Every metadata entry of the ONNX file `data`. Raises NotOnnx or CutShort."""
    if data[:1] != _FIRST_BYTE:
        raise NotOnnx
    entries: dict[str, Value] = {}
    try:
        for number, start, end in _fields(data, 0, len(data)):
            if number == METADATA:
                inner = {inner_number: (a, b) for inner_number, a, b in _fields(data, start, end)}
                key, value = inner.get(KEY, (start, start)), inner.get(VALUE, (end, end))
                entries[data[slice(*key)].decode("utf-8", "replace")] = Value(data[slice(*value)], value[0])
    except EOFError:
        raise CutShort from None
    except ValueError:
        raise NotOnnx from None
    return entries


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, start, end) of each field of the message data[start:end]."""
    at = start
    while at < end:
        tag, at = _varint(data, at, end)
        number, wire_type = tag >> 3, tag & 7
        length = 0
        if number == 0:
            raise ValueError("no field has the number 0")
        if wire_type == _VARINT:
            first = at
            _, at = _varint(data, at, end)
            yield number, first, at
            continue
        if wire_type == _BYTES:
            length, at = _varint(data, at, end)
        elif wire_type in (_FIXED_64, _FIXED_32):
            length = 8 if wire_type == _FIXED_64 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        if at + length > end:
            raise EOFError
        yield number, at, at + length
        at += length


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The base-128 number at `at`, and the place behind it."""
    result = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise EOFError
        byte = data[at]
        at += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result, at
    raise ValueError("a varint of more than 10 bytes")
