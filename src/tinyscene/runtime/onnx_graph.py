"""The graph of an ONNX file taken apart and put together again, with numpy alone: what a rewriting needs of it.

Parts that nobody asks for keep the bytes they came with.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .onnx_bytes import fields, number

Settings = Mapping[str, tuple[int, ...]]  # a single number is a tuple of one

# Field numbers of onnx.proto3.
_GRAPH = 7
_NODES, _TENSORS, _INPUTS, _OUTPUTS = 1, 5, 11, 12
_IN, _OUT, _OPERATOR, _ATTRIBUTE = 1, 2, 4, 5
_NAME, _INT, _INTS, _TYPE = 1, 3, 8, 20
_DIMS, _DATA_TYPE, _FLOATS, _TENSOR_NAME, _RAW = 1, 2, 4, 8, 9
_KINDS = {1: np.dtype("<f4"), 2: np.dtype("u1"), 3: np.dtype("i1"), 7: np.dtype("<i8"), 10: np.dtype("<f2")}
_NUMBERS = {kind: code for code, kind in _KINDS.items()}


@dataclass(eq=False)
class Node:
    """One operator, as it came (`raw`, its attributes not yet read) or made here (`raw` empty)."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    settings: Settings | None = None
    attributes: tuple[bytes, ...] = ()
    raw: bytes = b""  # its field of the graph, tag and length with it


class Graph:
    """The graph of the model file `data`, which `network_check` has let through. ValueError: it is told in parts."""

    def __init__(self, data: bytes):
        places, end = [], 0
        for field, a, b in fields(data, 0, len(data)):
            if field == _GRAPH:
                places.append((end, a, b))
            end = b
        if len(places) != 1:
            raise ValueError("one graph is taken")
        ((start, first, last),) = places
        self._before, self._behind, self._rest = data[:start], data[last:], list[bytes]()
        self.nodes, self.outputs = list[Node](), set[str]()
        self._tensors, inputs, end = dict[str, bytes](), set[str](), first
        for field, a, b in fields(data, first, last):
            if field == _NODES:
                self.nodes.append(_node(data, a, b, data[end:b]))
            else:
                self._rest.append(data[end:b])
            if field == _TENSORS:
                self._tensors[next((_text(data, c, d) for f, c, d in fields(data, a, b) if f == _TENSOR_NAME), "")] = (
                    data[a:b]
                )
            elif field in (_INPUTS, _OUTPUTS):
                name = next((_text(data, c, d) for f, c, d in fields(data, a, b) if f == _NAME), "")
                (inputs if field == _INPUTS else self.outputs).add(name)
            end = b
        for name in inputs:  # what is given when the network runs is no constant
            self._tensors.pop(name, None)
        self._constants = dict[str, np.ndarray | None]()
        # No file holds its own checksum, so no name in it begins so.
        self._added, self._prefix, self._n_names = list[bytes](), hashlib.sha256(data).hexdigest()[:16], 0

    def constant(self, name: str) -> np.ndarray | None:
        """The tensor of the file called `name`; None where there is none, or its numbers are kept in another way."""
        if name not in self._constants:
            self._constants[name] = self._read(name)
        return self._constants[name]

    def _read(self, name: str) -> np.ndarray | None:
        data = self._tensors.get(name)
        if data is None:
            return None
        dims, kind, content = list[int](), None, None
        for field, a, b in fields(data, 0, len(data)):
            if field == _DIMS:
                dims += _numbers(data, a, b)
            elif field == _DATA_TYPE:
                kind = _KINDS.get(number(data, a, b)[0])
            elif field in (_RAW, _FLOATS) and content is None:
                content = data[a:b]
        if kind is None or content is None or math.prod(dims) * kind.itemsize != len(content):
            return None
        return np.frombuffer(content, kind).reshape(dims)

    def settings(self, node: Node) -> Settings | None:
        """A node's attributes; None where one is no whole number or list of them."""
        if node.settings is None:
            node.settings = _settings(node.attributes)
        return node.settings

    def new_name(self) -> str:
        """A name that the file has nowhere."""
        self._n_names += 1
        return f"{self._prefix}/{self._n_names}"

    def add(self, array: np.ndarray) -> str:
        """A new constant; its name."""
        name = self.new_name()
        content = b"".join(
            [
                *(_varint_field(_DIMS, size) for size in array.shape),
                _varint_field(_DATA_TYPE, _NUMBERS[array.dtype]),
                bytes_field(_TENSOR_NAME, name.encode()),
                bytes_field(_RAW, array.tobytes()),
            ]
        )
        self._added.append(bytes_field(_TENSORS, content))
        self._tensors[name] = content
        return name

    def made(self, operator: str, inputs: list[str], settings: Settings) -> Node:
        """A new node of one output, not yet in the graph."""
        return Node(operator, inputs, [self.new_name()], settings)

    def to_bytes(self) -> bytes:
        """The model file, without nodes whose outputs nothing reads."""
        read, kept = set(self.outputs), list[bytes]()
        for node in reversed(self.nodes):
            if read.intersection(node.outputs):
                read.update(node.inputs)
                kept.append(node.raw or bytes_field(_NODES, _node_bytes(node)))
        graph = b"".join([*reversed(kept), *self._rest, *self._added])
        return self._before + bytes_field(_GRAPH, graph) + self._behind


def _node(data: bytes, start: int, end: int, raw: bytes) -> Node:
    operator, inputs, outputs, attributes = "", [], [], []
    for field, a, b in fields(data, start, end):
        if field == _IN:
            inputs.append(_text(data, a, b))
        elif field == _OUT:
            outputs.append(_text(data, a, b))
        elif field == _OPERATOR:
            operator = _text(data, a, b)
        elif field == _ATTRIBUTE:
            attributes.append(data[a:b])
    return Node(operator, inputs, outputs, None, tuple(attributes), raw)


def _settings(attributes: tuple[bytes, ...]) -> Settings | None:
    found: dict[str, tuple[int, ...]] = {}
    for data in attributes:
        name, values = "", list[int]()
        for field, a, b in fields(data, 0, len(data)):
            if field == _NAME:
                name = _text(data, a, b)
            elif field in (_INT, _INTS):
                values += _numbers(data, a, b)
            elif field != _TYPE:
                return None
        found[name] = tuple(value - (1 << 64) if value >> 63 else value for value in values)
    return found


def _node_bytes(node: Node) -> bytes:
    parts = [bytes_field(_IN, name.encode()) for name in node.inputs]
    parts += [bytes_field(_OUT, name.encode()) for name in node.outputs]
    parts.append(bytes_field(_OPERATOR, node.operator.encode()))
    for name, values in (node.settings or {}).items():
        several = name in ("kernel_shape", "pads", "strides", "dilations")
        numbers = b"".join(_varint_field(_INTS if several else _INT, value) for value in values)
        attribute = bytes_field(_NAME, name.encode()) + numbers + _varint_field(_TYPE, 7 if several else 2)
        parts.append(bytes_field(_ATTRIBUTE, attribute))
    return b"".join(parts)


def _numbers(data: bytes, at: int, end: int) -> list[int]:
    """One number, or several packed together."""
    found = []
    while at < end:
        value, at = number(data, at, end)
        found.append(value)
    return found


def _text(data: bytes, start: int, end: int) -> str:
    return data[start:end].decode("ascii", "replace")


def bytes_field(field: int, content: bytes) -> bytes:
    """A field of bytes, with its tag and length."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint_field(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value & (1 << 64) - 1)


def _varint(value: int) -> bytes:
    content = bytearray()
    while value > 127:
        content.append(value & 127 | 128)
        value >>= 7
    content.append(value)
    return bytes(content)
