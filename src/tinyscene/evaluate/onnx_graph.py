"""The network in an ONNX file, made safe to count: its operators in order, their constants and every tensor's shape."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from ..errors import ModelError

FEATURES, LOGITS = "features", "logits"  # where the network begins and ends in every file of ours
# Of one input, in its place: the output needs no memory of its own.
VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "DequantizeLinear", "QuantizeLinear", "Dropout")
PASSING = (*VIEWS, "Cast", "Transpose", "Expand")  # a constant stays that constant behind them
INDICES = (TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING)  # of shapes, axes and masks: never weights
# onnxruntime's quantised operators: what they compute, and which inputs are no scales or zero points.
MICROSOFT = {
    **{"QGemm": ("Gemm", (0, 3, 6)), "QLinearAdd": ("Add", (0, 3)), "QLinearMul": ("Mul", (0, 3))},
    **{"QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)), "QLinearAveragePool": ("AveragePool", (0,))},
    **{"QLinearSigmoid": ("Sigmoid", (0,)), "QLinearLeakyRelu": ("LeakyRelu", (0,))},
    **{"QLinearSoftmax": ("Softmax", (0,)), "DynamicQuantizeLSTM": ("LSTM", tuple(range(8)))},
    **{"DynamicQuantizeMatMul": ("MatMul", (0, 1, 4)), "QuickGelu": ("Relu", (0,)), "Gelu": ("Relu", (0,))},
    **{"QuantizeLinear": ("QuantizeLinear", (0, 1, 2)), "DequantizeLinear": ("DequantizeLinear", (0, 1, 2))},
}
INTEGER = {
    **{"QLinearConv": ("Conv", (0, 3, 8)), "QLinearMatMul": ("MatMul", (0, 3))},
    **{"ConvInteger": ("Conv", (0, 1)), "MatMulInteger": ("MatMul", (0, 1))},
}
# What exporters work out shapes with; none makes more numbers than it is given.
ARITHMETIC = (
    *("Add", "Sub", "Mul", "Div", "Mod", "Neg", "Sqrt", "Cast", "Concat", "Gather", "Slice", "Identity"),
    *("Squeeze", "Unsqueeze", "Reshape", "Equal", "Where", "Min", "Max", "ReduceProd", "Floor", "Ceil"),
)
ROUNDS, SMALL = 64, 64  # of working out shapes; numbers in what a shape is worked out from


class Network:
    """The nodes from a model's features to its logits, or from its inputs to its outputs, with the shapes of batch 1.

    `nodes`: in the order they run in, quantised operators as the ones they compute. `starts`, `outputs`, `reached`:
    names of the tensors it begins with, ends with, and makes or begins with.

    Raises:
        ModelError: bytes that are no ONNX file, or a graph that cannot be counted.
    """

    def __init__(self, data: bytes):
        model = _read(data)
        graph, stored = model.graph, {item.name for item in model.graph.initializer}
        model.ir_version = max(model.ir_version, 4)  # before, constants stood among the inputs
        for i in reversed(range(len(graph.input))):
            if graph.input[i].name in stored:
                del graph.input[i]
        inputs = list(graph.input)
        free = _batch_of_one(inputs)
        _check_order(graph)
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
        self._tables, self._computed = {}, set()
        for item in inferred.initializer:
            self._tables[item.name] = item
        for node in inferred.node:
            for item in node.attribute if node.op_type == "Constant" else ():
                if item.HasField("t"):
                    self._tables[node.output[0]] = item.t
                elif item.floats:
                    self._tables[node.output[0]] = numpy_helper.from_array(np.array(item.floats, np.float32))
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
            if wanted.intersection(node.output) and self.reached.intersection(node.input):
                self.nodes.append(node)
                self.reached.update(name for name in node.output if name)
            elif node.op_type != "Constant" and any(self.weighs(name) for name in node.input):
                self._computed.update(node.output)
        if not self.nodes:
            raise ModelError("nothing in this file leads from an input to an output: there is no network to count.")
        self.integer = {name for node in self.nodes if node.op_type == "ConvInteger" for name in node.output}
        self._check_sizes(free)
        for node in self.nodes:
            if node.op_type in INTEGER:
                _read_as(node, *INTEGER[node.op_type])

    def _check_sizes(self, free: list[str]) -> None:
        for node in self.nodes:
            for name in node.output:
                if not name or self._types.get(name) in INDICES:
                    continue
                shape = self._shapes.get(name)
                if shape is not None and any(size is not None and size < 1 for size in shape):
                    sizes = " x ".join("?" if size is None else str(size) for size in shape)
                    raise ModelError(f"its input is too small: {told(node.op_type)} would make a map of {sizes}.")
                if shape is None or None in shape:
                    if not known(node):
                        continue  # told apart later, by name
                    if free:
                        raise ModelError(f"its input has free axes {', '.join(free)}: export it with fixed sizes.")
                    raise ModelError(
                        f"the size of what {told(node.op_type)} makes ('{told(name)}') cannot be told from the file: "
                        "export it with fixed sizes."
                    )
                if node.op_type == "Reshape" and math.prod(shape) != math.prod(self.shape(node.input[0])):
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
        behind = self._behind(name)
        return [(behind, numpy_helper.to_array(self._tables[behind]))] if behind else []

    def weighs(self, name: str) -> bool:
        """Whether a tensor is, or is worked out from, constants of more than one number that can be weights."""
        behind = self._behind(name)
        if behind:
            table = self._tables[behind]
            return math.prod(table.dims) > 1 and table.data_type not in INDICES
        return name in self._computed

    def computed(self, name: str) -> str:
        """The operator that works a weight out from several constants, if one does."""
        return self._makers[name].op_type if name in self._computed and not self._behind(name) else ""

    def _behind(self, name: str) -> str:
        while name and name not in self._tables:
            node = self._makers.get(name)
            if node is None or node.op_type not in PASSING or not node.input:
                return ""
            name = node.input[0]
        return name

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


def told(name: str) -> str:
    """A name from a file, fit for one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:60])


def _read(data: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(data)
    except DecodeError as error:
        raise ModelError(f"this is no ONNX file that can be counted: {str(error).splitlines()[0]}.") from None
    if not model.graph.node and not model.graph.input:
        raise ModelError("this is no ONNX file that can be counted: there is no graph in it.")
    if model.functions:
        names = ", ".join(sorted({told(item.name) for item in model.functions})[:8])
        raise ModelError(f"it calls functions of its own ({names}): inline them with onnx.inliner and count that file.")
    if model.graph.sparse_initializer:
        raise ModelError("it holds sparse weights, which are not counted. Save it with dense ones.")
    tables = [*model.graph.initializer]
    for node in model.graph.node:
        for item in node.attribute:
            tables += [item.t] if item.HasField("t") else []
            if item.HasField("sparse_tensor") and node.op_type == "Constant":
                raise ModelError("it holds sparse weights, which are not counted. Save it with dense ones.")
    for table in tables:
        _check_table(table)
    return model


def _check_table(table: TensorProto) -> None:
    """Its size against what it holds, before anything of that size is made."""
    name = f"its constant '{told(table.name)}'"
    if table.data_location == TensorProto.EXTERNAL:
        raise ModelError("its weights lie in other files, which are not read. Save the model as one file.")
    if table.data_type not in helper.get_all_tensor_dtypes() or table.HasField("segment"):
        raise ModelError(f"{name} is of number type {table.data_type}, which ONNX does not have.")
    if any(size < 0 for size in table.dims):
        raise ModelError(f"{name} has a size below 0.")
    says = math.prod(table.dims)
    if table.data_type == TensorProto.STRING:
        return
    if table.HasField("raw_data"):
        bits = {TensorProto.INT4: 4, TensorProto.UINT4: 4, TensorProto.FLOAT4E2M1: 4}.get(table.data_type)
        bits = bits or 2 if "INT2" in TensorProto.DataType.Name(table.data_type) else bits
        bits = bits or 8 * helper.tensor_dtype_to_np_dtype(table.data_type).itemsize
        holds, fits = f"{len(table.raw_data)} bytes", len(table.raw_data) == (says * bits + 7) // 8
    else:
        held = len(getattr(table, helper.tensor_dtype_to_field(table.data_type)))
        holds, fits = f"{held}", held <= says <= max(1, 8 * held) if says else not held
        if table.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32):
            fits = held == says
    if not fits:
        raise ModelError(f"{name} says it has {says} numbers and holds {holds}: the file is damaged.")


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


def _check_order(graph: onnx.GraphProto) -> None:
    """ONNX asks for it; without it there can be circles."""
    there = {value.name for value in (*graph.input, *graph.initializer)}
    for node in graph.node:
        missing = next((name for name in node.input if name and name not in there), None)
        if missing is not None:
            raise ModelError(f"{told(node.op_type)} reads '{told(missing)}', which nothing before it makes.")
        outputs = [name for name in node.output if name]
        if there.intersection(outputs) or len(set(outputs)) < len(outputs):
            raise ModelError(f"{told(node.op_type)} makes '{told(outputs[0])}', which is there already.")
        there.update(outputs)


def _inferred(model: onnx.ModelProto) -> onnx.GraphProto:
    """The graph with the shape of every tensor, shapes that are worked out on the way included."""
    for _ in range(ROUNDS):
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True).graph
        shapes, _ = _shapes(inferred)
        whole = all(
            shapes.get(name) is not None and None not in shapes[name]
            for node in inferred.node
            for name in node.output
            if name
        )
        if whole or not _work_out(model, shapes):
            break
    return inferred


def _work_out(model: onnx.ModelProto, shapes: dict[str, tuple[int | None, ...] | None]) -> bool:
    """Puts constants in the place of operators that only work a shape out; whether there was one."""
    from onnx.reference import ReferenceEvaluator

    opsets = {item.domain: item.version for item in model.opset_import}
    tables = {item.name: item for item in model.graph.initializer}
    tables |= {
        n.output[0]: a.t for n in model.graph.node if n.op_type == "Constant" for a in n.attribute if a.HasField("t")
    }
    values = {
        name: numpy_helper.to_array(table)
        for name, table in tables.items()
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
                    made = np.asarray(ReferenceEvaluator(node, opsets=opsets).run(None, given)[0])
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


def _shapes(graph: onnx.GraphProto) -> tuple[dict[str, tuple[int | None, ...] | None], dict[str, int]]:
    shapes: dict[str, tuple[int | None, ...] | None] = {}
    types: dict[str, int] = {}
    for item in graph.initializer:
        shapes[item.name], types[item.name] = tuple(item.dims), item.data_type
    for value in (*graph.value_info, *graph.output, *graph.input):
        tensor = value.type.tensor_type
        sizes = (d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
        shapes[value.name] = tuple(sizes) if tensor.HasField("shape") else None
        types[value.name] = tensor.elem_type
    return shapes, types


def _read_as(node: onnx.NodeProto, kind: str, inputs: tuple[int, ...]) -> None:
    names = [node.input[i] for i in inputs if i < len(node.input)]
    node.op_type, node.domain = kind, ""
    del node.input[:]
    node.input.extend(names)
