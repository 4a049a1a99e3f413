"""The network in an ONNX file with what counting needs: operators in order, constants, every tensor's shape."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import ModelError

FEATURES, LOGITS = "features", "logits"  # where the network begins and ends in every file of ours
# Of one input, in its place: the output needs no memory of its own.
VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "DequantizeLinear", "QuantizeLinear", "Dropout")
PASSING = (*VIEWS, "Cast", "Transpose", "Expand")  # a constant stays that constant behind them
INDICES = (TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING)  # of shapes, axes and masks: never weights
# onnxruntime's quantised operators: what they compute, and which inputs are no scales or zero points.
MICROSOFT = {
    "QGemm": ("Gemm", (0, 3, 6)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QuantizeLinear": ("QuantizeLinear", (0, 1, 2)),
    "DequantizeLinear": ("DequantizeLinear", (0, 1, 2)),
    **{
        f"QLinear{kind}": (kind, (0,))
        for kind in ("GlobalAveragePool", "AveragePool", "Sigmoid", "LeakyRelu", "Softmax")
    },
    "DynamicQuantizeLSTM": ("LSTM", tuple(range(8))),
    "DynamicQuantizeMatMul": ("MatMul", (0, 1, 4)),
}
INTEGER = {
    "QLinearConv": ("Conv", (0, 3, 8)),
    "QLinearMatMul": ("MatMul", (0, 3)),
    "ConvInteger": ("Conv", (0, 1)),
    "MatMulInteger": ("MatMul", (0, 1)),
}
# What exporters work out shapes with; none makes more numbers than it is given.
ARITHMETIC = (
    *("Add", "Sub", "Mul", "Div", "Mod", "Neg", "Sqrt", "Cast", "Concat", "Gather", "Slice", "Identity"),
    *("Squeeze", "Unsqueeze", "Reshape", "Equal", "Where", "Min", "Max", "ReduceProd", "Floor", "Ceil"),
)
TRY = "Count the network before it was exported, or export it with plain operators."
ROUNDS, SMALL = 64, 64  # of working out shapes; numbers in what a shape is worked out from


class Network:
    """The nodes from a model's features to its logits, or from its inputs to its outputs, with the shapes of batch 1.

    `nodes`: in the order they run in, quantised operators as the ones they compute. `starts`, `outputs`, `reached`:
    names of the tensors it begins with, ends with, and makes or begins with.

    Raises:
        ModelError: a graph that cannot be counted.
    """

    def __init__(self, model: onnx.ModelProto):
        graph, stored = model.graph, {item.name for item in model.graph.initializer}
        model.ir_version = max(model.ir_version, 4)  # before, constants stood among the inputs
        for i in reversed(range(len(graph.input))):
            if graph.input[i].name in stored:
                del graph.input[i]
        inputs = list(graph.input)
        free = _batch_of_one(inputs)
        for node in graph.node:
            if (
                node.domain == "com.microsoft"
                and node.op_type in MICROSOFT
                and not self.attribute(node, "channels_last", 0)
            ):
                _read_as(node, *MICROSOFT[node.op_type])
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")
        del graph.value_info[:]
        inferred = _inferred(model)
        self._tables, self._computed = _tables(inferred), set()
        self._behind = {name: name for name in self._tables}  # a tensor -> the constant it is, or was made of
        self._makers = {name: node for node in inferred.node for name in node.output if name}
        self._shapes, self._types = _shapes(inferred)
        given = [value.name for value in inferred.output]
        self.outputs = [LOGITS] if LOGITS in given else given
        made = FEATURES in self._makers or any(value.name == FEATURES for value in inputs)
        wanted = set(self.outputs)
        for node in reversed(inferred.node):  # backwards: what the logits need, not looking behind the features
            if wanted.intersection(node.output) and not (made and FEATURES in node.output):
                wanted.update(node.input)
        self.starts = [value.name for value in inputs if value.name in wanted]
        if made and FEATURES in wanted and FEATURES not in self.starts:
            self.starts.append(FEATURES)
        self.reached, self.nodes = set(self.starts), []
        for node in inferred.node:  # in the order they run in: what needs the features
            if FEATURES in node.output and FEATURES in self.starts:
                continue
            if node.op_type in PASSING and node.input and node.input[0] in self._behind:
                self._behind[node.output[0]] = self._behind[node.input[0]]
            if wanted.intersection(node.output) and self.reached.intersection(node.input):
                self.nodes.append(node)
                self.reached.update(name for name in node.output if name)
            elif not known(node) or any(self.weighs(name) for name in node.input):
                self._computed.update(node.output)
        if not self.nodes:
            raise ModelError("nothing in this file leads from an input to an output: there is no network to count.")
        self.integer = {name for node in self.nodes if node.op_type == "ConvInteger" for name in node.output}
        self._check_known()
        self._check_sizes(free)
        for node in self.nodes:
            if node.op_type in INTEGER:
                _read_as(node, *INTEGER[node.op_type])

    def _check_known(self) -> None:
        strange = (node for node in self.nodes if not known(node))
        names = sorted({told(f"{node.op_type} ({node.domain})" if node.domain else node.op_type) for node in strange})
        if names:
            raise ModelError(f"it has operators that are not counted: {', '.join(names[:8])}. {TRY}")

    def _check_sizes(self, free: list[str]) -> None:
        for node in self.nodes:
            for name in node.output:
                if not name or self._types.get(name) in INDICES:
                    continue
                shape = self._shapes.get(name)
                if shape is not None and any(size is not None and size < 1 for size in shape):
                    sizes = " x ".join("?" if size is None else str(size) for size in shape)
                    raise ModelError(f"its input is too small: {told(node.op_type)} would make a map of {sizes}.")
                sizes = [size for size in shape or () if size is not None]
                if shape is None or None in shape:
                    if free:
                        raise ModelError(f"its input has free axes {', '.join(free)}: export it with fixed sizes.")
                    raise ModelError(
                        f"the size of what {told(node.op_type)} makes ('{told(name)}') cannot be told from the file: "
                        "export it with fixed sizes."
                    )
                if node.op_type == "Reshape" and math.prod(sizes) != math.prod(self.shape(node.input[0])):
                    raise ModelError("its batch is not 1 and is written into its reshapes: export it with batch 1.")

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor, batch 1."""
        return tuple(size or 1 for size in self._shapes.get(name) or (1,))

    def number_type(self, name: str) -> int:
        """Of a tensor, as in onnx.TensorProto; 0 where it is not known."""
        return self._types.get(name, 0)

    def before(self, name: str, passing: Iterable[str]) -> onnx.NodeProto | None:
        """The operator that makes a tensor, those of the kinds `passing` left aside."""
        node = self._makers.get(name)
        while node is not None and node.op_type in passing and node.input:
            node = self._makers.get(node.input[0])
        return node

    def constant(self, name: str) -> list[tuple[str, np.ndarray]]:
        """[(its name, its table as stored)] of the constant behind a tensor; [] where there is none."""
        behind = self._behind.get(name)
        return [(behind, numpy_helper.to_array(self._tables[behind]))] if behind else []

    def weighs(self, name: str) -> bool:
        """Whether a tensor is, or is worked out from, constants of more than one number that can be weights."""
        table = self._tables.get(self._behind.get(name, ""))
        if table is not None:
            return math.prod(table.dims) > 1 and table.data_type not in INDICES
        return name in self._computed

    def computed(self, name: str) -> str:
        """The operator that works a weight out from several constants, if one does."""
        return self._makers[name].op_type if name in self._computed and name not in self._behind else ""

    def flattened(self, name: str) -> tuple[int, ...]:
        """The (1, channel, band, frame) shape of a map of several cells that `name` is in a row, else ()."""
        node = self._makers.get(name)
        while node is not None and node.op_type in VIEWS:
            born = self.shape(node.input[0])
            if len(born) == 4:
                return born if math.prod(born[2:]) > 1 else ()
            node = self._makers.get(node.input[0])
        return ()

    @staticmethod
    def attribute(node: onnx.NodeProto, name: str, otherwise: Any) -> Any:
        """Of a node, by name."""
        return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), otherwise)


def known(node: onnx.NodeProto) -> bool:
    """Whether an operator is one of ONNX's own without a graph inside."""
    inner = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    return (
        node.domain in ("", "ai.onnx")
        and onnx.defs.has(node.op_type)
        and not any(item.type in inner or item.HasField("g") or item.graphs for item in node.attribute)
    )


def told(name: str, letters: int = 60) -> str:
    """A name from a file, fit for one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:letters])


def _batch_of_one(inputs: list[onnx.ValueInfoProto]) -> list[str]:
    """Sets the batch of every input to 1; the names of axes that stay free."""
    batch = {value.type.tensor_type.shape.dim[0].dim_param for value in inputs if value.type.tensor_type.shape.dim}
    batch.discard("")
    free = []
    for n, value in enumerate(inputs):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if (axis == 0 and (n == 0 or not dim.HasField("dim_value"))) or dim.dim_param in batch:
                dim.dim_value = 1
            elif not dim.HasField("dim_value"):
                free.append(told(dim.dim_param) or f"{axis} of '{told(value.name)}'")
            elif dim.dim_value < 1:
                raise ModelError(f"axis {axis} of its input '{told(value.name)}' has a size of {dim.dim_value}.")
    return list(dict.fromkeys(free))


def _inferred(model: onnx.ModelProto) -> onnx.GraphProto:
    """The graph with the shape of every tensor, shapes that are worked out on the way included."""
    inferred, rounds = _infer(model), 0
    while rounds < ROUNDS and _work_out(model, inferred):
        inferred, rounds = _infer(model), rounds + 1
    return inferred


def _infer(model: onnx.ModelProto) -> onnx.GraphProto:
    return onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True).graph


def _work_out(model: onnx.ModelProto, inferred: onnx.GraphProto) -> bool:
    """Puts constants in the place of operators that only work a shape out; whether there was one."""
    shapes = _shapes(inferred)[0]
    if all(None not in shapes.get(name, (None,)) for node in inferred.node for name in node.output if name):
        return False  # every size is known
    from onnx.reference import ReferenceEvaluator

    opsets = {item.domain: item.version for item in model.opset_import}
    values = {
        name: numpy_helper.to_array(table)
        for name, table in _tables(model.graph).items()
        if math.prod(table.dims) <= (SMALL if table.data_type in INDICES else 1)
    }
    kept, found = [], False
    for node in model.graph.node:
        made: Any = None
        shape = shapes.get(node.input[0]) if node.input else None
        if node.op_type == "Shape" and shape is not None and None not in shape:
            ends = [Network.attribute(node, "start", 0), Network.attribute(node, "end", None)]
            made = np.array(shape[slice(*ends)], np.int64)
        elif known(node) and node.op_type in ARITHMETIC and all(name in values for name in node.input if name):
            try:
                with np.errstate(all="ignore"):
                    given = {name: values[name] for name in node.input if name}
                    made = np.asarray(next(iter(ReferenceEvaluator(node, opsets=opsets).run(None, given))))
            except Exception:  # whatever a library makes of a damaged node: it stays, and its size stays unknown
                made = None
        if made is None or made.size > SMALL or len(node.output) != 1 or made.dtype.kind not in "iufb":
            kept.append(node)
            continue
        found = True
        values[node.output[0]] = made
        model.graph.initializer.append(numpy_helper.from_array(made, node.output[0]))
    if found:
        kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        del model.graph.node[:]
        model.graph.node.extend(kept)
    return found


def _tables(graph: onnx.GraphProto) -> dict[str, TensorProto]:
    """The constants of a graph by name."""
    tables = {item.name: item for item in graph.initializer}
    for node in graph.node:
        for item in node.attribute if node.op_type == "Constant" else ():
            if item.HasField("t"):
                tables[node.output[0]] = item.t
            elif item.name in ("value_float", "value_floats", "value_int", "value_ints"):
                kind = np.float32 if "float" in item.name else np.int64
                tables[node.output[0]] = numpy_helper.from_array(np.array(helper.get_attribute_value(item), kind))
    return tables


def _shapes(graph: onnx.GraphProto) -> tuple[dict[str, tuple[int | None, ...]], dict[str, int]]:
    shapes: dict[str, tuple[int | None, ...]] = {}
    types: dict[str, int] = {}
    for item in graph.initializer:
        shapes[item.name], types[item.name] = tuple(item.dims), item.data_type
    for value in (*graph.value_info, *graph.output, *graph.input):
        tensor = value.type.tensor_type
        sizes = (d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
        if tensor.HasField("shape"):
            shapes[value.name] = tuple(sizes)
        types[value.name] = tensor.elem_type
    return shapes, types


def _read_as(node: onnx.NodeProto, kind: str, inputs: tuple[int, ...]) -> None:
    names = [node.input[i] for i in inputs if i < len(node.input)]
    node.op_type, node.domain = kind, ""
    del node.input[:]
    node.input.extend(names)
