"""An ONNX file read from its bytes: a ModelProto is a list of (field, wire type, content), each a message of its own.

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
        for field, start, end in fields(data, 0, len(data)):
            if field == METADATA:
                inner = {key_or_value: (a, b) for key_or_value, a, b in fields(data, start, end)}
                key, value = inner.get(KEY, (start, start)), inner.get(VALUE, (end, end))
                entries[data[slice(*key)].decode("utf-8", "replace")] = Value(data[slice(*value)], value[0])
    except EOFError:
        raise CutShort from None
    except ValueError:
        raise NotOnnx from None
    return entries


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, start, end) of each field of the message data[start:end].

    Raises EOFError where one runs past the end, ValueError for what is no message.
    """
    at = start
    while at < end:
        tag, at = (data[at], at + 1) if data[at] < 128 else _varint(data, at, end)  # most have one byte: half the time
        field, wire_type = tag >> 3, tag & 7
        length = 0
        if not 1 <= field < 1 << 29:  # protobuf would drop the bits above and find another field
            raise ValueError(f"no field has the number {field}")
        if wire_type == _VARINT:
            first = at
            _, at = _varint(data, at, end)
            yield field, first, at
            continue
        if wire_type == _BYTES:
            length, at = (data[at], at + 1) if at < end and data[at] < 128 else _varint(data, at, end)
        elif wire_type in (_FIXED_64, _FIXED_32):
            length = 8 if wire_type == _FIXED_64 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        if at + length > end:
            raise EOFError
        yield field, at, at + length
        at += length


def number(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number at `at`, as protobuf's 64 bits without sign, and the place behind it."""
    value, at = _varint(data, at, end)
    return value & (1 << 64) - 1, at


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
