"""What a LiteRT file (.tflite) holds, read with the schema of ai_edge_litert: tensors and operators, all checked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ModelError, missing_extra
from .model_file import LARGEST_FILE

MOST_CELLS = 1 << 28  # numbers of one tensor
MOST_RANK = 8
# Number types by their name in the schema; others are not what scene classifiers are made of.
NUMPY = {"FLOAT32": "<f4", "FLOAT16": "<f2", "INT8": "i1", "UINT8": "u1", "BOOL": "u1", "INT16": "<i2"}
NUMPY |= {"INT32": "<i4", "UINT32": "<u4", "INT64": "<i8"}


@dataclass(frozen=True)
class LitertTensor:
    """One tensor; `table` is its constant content, None for a map; scale, zero_point: None where not quantised."""

    name: str
    shape: tuple[int, ...]
    kind: str
    table: np.ndarray | None = field(default=None, repr=False, compare=False)
    scale: float | None = None  # the first, of one for each channel
    zero_point: int | None = None

    @property
    def cells(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """What they take."""
        return self.cells * np.dtype(NUMPY[self.kind]).itemsize


@dataclass(frozen=True)
class LitertOperator:
    """One operation on tensors by number; -1 is an input left out.

    `window`: cells of a pooling window. `turned`: a product whose first matrix is read by columns.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    window: int = 1
    turned: bool = False


@dataclass(frozen=True)
class LitertGraph:
    """The one network of a file; operators in the order they run in."""

    tensors: tuple[LitertTensor, ...]
    operators: tuple[LitertOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_litert(data: bytes) -> LitertGraph:
    """The network in a .tflite file. Runs nothing, opens nothing, makes nothing larger than the file.

    Raises:
        ModelError: bytes that are no such file, damaged ones, several networks, control flow, weights outside of the
            file, operators of its maker's own, tensors of a number type or size that no scene classifier has.
        MissingExtraError: ai_edge_litert is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-not-found]
    except ImportError as error:
        raise missing_extra("reading a .tflite file", "tflite", error.name) from None
    if len(data) > LARGEST_FILE:
        raise ModelError(f"it has {len(data):,} bytes; LiteRT files of up to {LARGEST_FILE:,} are read.")
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise ModelError("it is no LiteRT file: the mark TFL3 is not at its beginning.")
    try:
        return _Reader(schema, data).graph()
    except ModelError:
        raise
    except Exception as error:  # of the schema's reader, at offsets that lead out of the file
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ModelError(f"it is no whole LiteRT file ({_told(reason)}). Copy it again, or export it again.") from None


class _Reader:
    """Walks the flatbuffer; each vector's length is held against the file's before anything is made of it."""

    def __init__(self, schema: Any, data: bytes):
        self._schema, self._data = schema, data
        self._budget = len(data)  # vectors may share bytes, but all that is read of them must fit into the file
        self._kinds = _names(schema.BuiltinOperator)
        self._types = _names(schema.TensorType)

    def graph(self) -> LitertGraph:
        model = self._schema.Model.GetRootAs(self._data, 0)
        if model.ExternalBuffersLength() or model.ExternalBufferGroupsLength():
            raise ModelError("its weights lie in other files, which are not read. Save the model as one file.")
        if model.SubgraphsLength() != 1:
            raise ModelError(f"it holds {model.SubgraphsLength()} networks; one, without control flow, is read.")
        kinds = [self._kind(model.OperatorCodes(i)) for i in self._each(model.OperatorCodesLength())]
        buffers = [model.Buffers(i) for i in self._each(model.BuffersLength())]
        network = model.Subgraphs(0)
        tensors = tuple(self._tensor(network.Tensors(i), buffers) for i in self._each(network.TensorsLength()))
        made = [self._operator(network.Operators(i), kinds) for i in self._each(network.OperatorsLength())]
        inputs, outputs = self._numbers(network, "Inputs"), self._numbers(network, "Outputs")
        graph = LitertGraph(tensors, tuple(made), inputs, outputs)
        _check_order(graph)
        return graph

    def _each(self, n: int, size: int = 4) -> range:
        self._budget -= n * size
        if n < 0 or self._budget < 0:
            raise ModelError(f"it is no whole LiteRT file: a list of {n:,} entries has no room in it.")
        return range(n)

    def _numbers(self, table: Any, name: str) -> tuple[int, ...]:
        return tuple(int(getattr(table, name)(i)) for i in self._each(getattr(table, f"{name}Length")()))

    def _kind(self, code: Any) -> str:
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = self._kinds.get(number, "")
        if kind in ("", "CUSTOM"):
            name = _told((code.CustomCode() or b"").decode("utf-8", "replace")) or str(number)
            raise ModelError(f"it has an operator that is not LiteRT's own: {name}. Export with plain operators.")
        return kind

    def _tensor(self, tensor: Any, buffers: list[Any]) -> LitertTensor:
        name = _told((tensor.Name() or b"").decode("utf-8", "replace"))
        kind, shape = self._types.get(tensor.Type(), str(tensor.Type())), self._numbers(tensor, "Shape")
        if kind not in NUMPY:
            raise ModelError(f"its tensor '{name}' is of number type {kind}; {', '.join(NUMPY)} are read.")
        if any(size < 0 for size in shape) or len(shape) > MOST_RANK or math.prod(shape) > MOST_CELLS:
            sizes = " x ".join(map(str, shape[: MOST_RANK + 1]))
            raise ModelError(f"its tensor '{name}' says it is {sizes}: more than any map or table here.")
        if tensor.Sparsity() is not None or tensor.VariantTensorsLength() or tensor.ExternalBuffer():
            raise ModelError(f"its tensor '{name}' is sparse or lies elsewhere, which is not read.")
        scale, zero_point = self._quantisation(tensor)
        return LitertTensor(name, shape, kind, self._table(name, kind, shape, tensor, buffers), scale, zero_point)

    def _quantisation(self, tensor: Any) -> tuple[float | None, int | None]:
        given = tensor.Quantization()
        if given is None or not given.ScaleLength():
            return None, None
        return float(given.Scale(0)), int(given.ZeroPoint(0)) if given.ZeroPointLength() else 0

    def _table(
        self, name: str, kind: str, shape: tuple[int, ...], tensor: Any, buffers: list[Any]
    ) -> np.ndarray | None:
        number = tensor.Buffer()
        if not 0 <= number < len(buffers):
            raise ModelError(f"its tensor '{name}' lies in buffer {number}, which is not there.")
        buffer = buffers[number]
        if buffer.Offset() > 1 or buffer.Size() > 1:  # behind the flatbuffer, for files of gigabytes
            raise ModelError("its weights lie behind its graph, as in files above 2 GB, which are not read.")
        held = buffer.DataLength()
        if not held:
            return None
        if held != math.prod(shape) * np.dtype(NUMPY[kind]).itemsize:
            sizes = " x ".join(map(str, shape))
            raise ModelError(f"its constant '{name}' is {sizes} of {kind} and holds {held:,} bytes: it is damaged.")
        return np.asarray(buffer.DataAsNumpy()).view(NUMPY[kind]).reshape(shape)

    def _operator(self, operator: Any, kinds: list[str]) -> LitertOperator:
        number = operator.OpcodeIndex()
        if not 0 <= number < len(kinds):
            raise ModelError(f"it has an operator of kind {number}, which is not there.")
        window, turned = 1, False
        if kinds[number] in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
            options = self._options(operator, "Pool2DOptions")
            window = options.FilterHeight() * options.FilterWidth() if options else 0
            if not 0 < window <= MOST_CELLS:
                raise ModelError(f"it has a pooling window of {window:,} cells: it is damaged.")
        elif kinds[number] == "BATCH_MATMUL":
            options = self._options(operator, "BatchMatMulOptions")
            turned = bool(options and options.AdjX())
        inputs, outputs = self._numbers(operator, "Inputs"), self._numbers(operator, "Outputs")
        return LitertOperator(kinds[number], inputs, outputs, window, turned)

    def _options(self, operator: Any, name: str) -> Any:
        """What an operator says of itself, None where it does not."""
        at = operator.BuiltinOptions()
        if at is None or operator.BuiltinOptionsType() != getattr(self._schema.BuiltinOptions, name):
            return None
        options = getattr(self._schema, name)()
        options.Init(at.Bytes, at.Pos)
        return options


def _check_order(graph: LitertGraph) -> None:
    """Each operator reads what is constant, given or made before, so that there are no circles."""
    n = len(graph.tensors)
    named = (graph.inputs, graph.outputs, *(o.inputs for o in graph.operators), *(o.outputs for o in graph.operators))
    for number in (number for numbers in named for number in numbers):
        if not -1 <= number < n:
            raise ModelError(f"it names tensor {number}; it has {n}.")
    if not graph.inputs or not graph.outputs or not graph.operators:
        raise ModelError("nothing in it leads from an input to an output: there is no network.")
    there = {i for i, tensor in enumerate(graph.tensors) if tensor.table is not None} | {-1, *graph.inputs}
    there |= {i for i, tensor in enumerate(graph.tensors) if not tensor.cells}  # an empty list of numbers
    for operator in graph.operators:
        missing = next((i for i in operator.inputs if i not in there), None)
        if missing is not None:
            raise ModelError(f"its {operator.kind} reads tensor {missing}, which nothing before it makes.")
        there.update(operator.outputs)


def _names(enumeration: Any) -> dict[int, str]:
    return {number: name for name, number in _members(enumeration)}


def _members(enumeration: Any) -> Iterator[tuple[str, int]]:
    return ((name, number) for name, number in vars(enumeration).items() if isinstance(number, int))


def _told(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:120])
