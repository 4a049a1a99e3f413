"""Counts of an ONNX file, float or int8, read from its graph, not from what it says of itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from ..errors import ModelError
from .activation_memory import Step, peak_bytes
from .complexity import Layer, totals

FEATURES, LOGITS = "features", "logits"  # where the network begins and ends in every file of ours
AFFINE = ("Mul", "Add", "Sub", "Div")  # with a constant for each channel: a batch norm that follows no convolution
LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu", "BatchNormalization", "InstanceNormalization", *AFFINE)
# Of one input, in its place: the output needs no memory of its own.
VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "DequantizeLinear", "QuantizeLinear", "Dropout")
ELEMENTWISE = (
    *(*AFFINE, "Relu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Clip", "LeakyRelu", "PRelu", "Max", "Min"),
    *("Softmax", "LogSoftmax", "Exp", "Log", "Sqrt", "Pow", "Neg", "Erf", "Gelu", "BatchNormalization"),
)


def count_onnx(data: bytes, window_s: float) -> dict[str, Any]:
    """The counts of `complexity.MEANING` for a model file, from its features to its logits.

    Counted are the constants that layers read, directly or through a DequantizeLinear, at the bytes they are stored
    in; equal ones that the file holds once count once. A map takes one byte a cell where it is quantised at once, else
    four. Layers are named by their operator and number: their names in the network are not in the file.

    Raises:
        ModelError: bytes that are no ONNX file, or one whose weights lie in other files.
    """
    try:
        model = onnx.load_from_string(data)
        graph = _Graph(model)
    except (DecodeError, onnx.shape_inference.InferenceError, IndexError) as error:
        raise ModelError(f"this is no ONNX file that can be counted: {str(error).splitlines()[0]}.") from None
    if any(item.data_location == onnx.TensorProto.EXTERNAL for item in model.graph.initializer):
        raise ModelError("its weights lie in other files, which are not read. Save the model as one file.")
    layers: list[Layer] = []
    seen: set[str] = set()
    for node in graph.nodes:
        if node.op_type not in (*LAYERS, "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"):
            continue
        layer = Layer(f"{node.op_type.lower()}-{len(layers)}", node.op_type, graph.shape(node.output[0])[1:])
        layers.append(layer)
        constants = [(name, array) for name in node.input for name, array in graph.constant(name)]
        if node.op_type in AFFINE:  # a scale or shift of channels; or a bias behind a product of matrices
            behind = any(graph.made_by(name) == "MatMul" for name in node.input)
            constants = [(n, a) for n, a in constants if a.size > 1 and (a.ndim > 1 or behind)]
        _work(layer, node, [array for _, array in constants], graph)
        if node.op_type not in LAYERS:
            continue
        for name, array in constants:
            if name in seen:
                continue
            seen.add(name)
            filled = int(np.count_nonzero(array))
            layer.parameters += array.size
            layer.parameters_keras += array.size  # batch norm is folded: both conventions agree
            layer.parameters_nonzero += filled
            layer.store(str(array.dtype), array.itemsize, array.size, filled)
    return totals(layers, window_s, graph.peak())


def _work(layer: Layer, node: onnx.NodeProto, constants: list[np.ndarray], graph: _Graph) -> None:
    """Multiply-accumulates of one operation by each rule, into `layer`."""
    kind, made = node.op_type, graph.shape(node.output[0])
    taken = graph.shape(node.input[0])
    size = sum(array.size for array in constants)
    if kind in ("Conv", "ConvTranspose"):
        positions, weight = made[0] * math.prod(made[2:]), constants[0].size if constants else 0
        layer.macs = size * positions
        layer.macs_true = weight * (positions if kind == "Conv" else taken[0] * math.prod(taken[2:]))
        layer.macs_tflite = weight * positions if kind == "Conv" else 0
    elif kind in ("Gemm", "MatMul"):
        layer.macs = size
        inner = taken[0] if kind == "Gemm" and graph.attribute(node, "transA", 0) else taken[-1]
        layer.macs_true = math.prod(made) * inner
        if constants:  # right behind a flattened map the official counter charges the channels alone
            born = graph.flattened(node.input[0])
            layer.macs_tflite = (born[1] if born else inner) * made[-1]
    elif kind in ("MaxPool", "AveragePool"):
        layer.macs_tflite = math.prod(made) * math.prod(graph.attribute(node, "kernel_shape", [1]))
    elif kind in ("GlobalAveragePool", "ReduceMean"):
        layer.macs_tflite = math.prod(taken)
    else:
        layer.macs = size
        if kind == "Add" and not any(True for name in node.input for _ in graph.constant(name)):
            layer.macs_tflite = math.prod(made)


class _Graph:
    """A model's network, with the shapes of batch 1: the nodes from its features to its logits."""

    def __init__(self, model: onnx.ModelProto):
        graph = model.graph
        for value in (*graph.input, *graph.output):
            for dim in value.type.tensor_type.shape.dim[:1]:
                dim.dim_value = 1
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")
        del graph.value_info[:]
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True).graph
        self._constants = {item.name: item for item in inferred.initializer}
        self._makers = {name: node for node in inferred.node for name in node.output}
        self._shapes, self._types = {}, {}
        for value in (*inferred.value_info, *inferred.output, *inferred.input):
            tensor = value.type.tensor_type
            self._shapes[value.name] = tuple(d.dim_value or 1 for d in tensor.shape.dim)
            self._types[value.name] = tensor.elem_type
        given = [value.name for value in inferred.output]
        self._outputs = [LOGITS] if LOGITS in given else given
        wanted = set(self._outputs)
        for node in reversed(inferred.node):  # backwards: what the logits need
            if wanted.intersection(node.output):
                wanted.update(node.input)
        self._start = FEATURES if FEATURES in wanted else inferred.input[0].name
        self._reached, self.nodes = {self._start}, []
        for node in inferred.node:  # in the order they run in: what needs the features
            if wanted.intersection(node.output) and self._reached.intersection(node.input):
                self.nodes.append(node)
                self._reached.update(node.output)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor, batch 1."""
        return self._shapes.get(name, (1,))

    def made_by(self, name: str) -> str:
        """The operator that makes a tensor, quantisation left aside."""
        node = self._makers.get(name)
        while node is not None and node.op_type in ("DequantizeLinear", "QuantizeLinear"):
            node = self._makers.get(node.input[0])
        return "" if node is None else node.op_type

    def constant(self, name: str) -> Iterator[tuple[str, np.ndarray]]:
        """(its name, its table) of the constant behind a tensor, if one is."""
        node = self._makers.get(name)
        behind = node.input[0] if node is not None and node.op_type == "DequantizeLinear" else name
        if behind in self._constants:
            yield behind, numpy_helper.to_array(self._constants[behind])

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
        return next((onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name), otherwise)

    def peak(self) -> int:
        """Peak activation memory; what is quantised at once, or only seen in another shape, takes its room once."""
        whole = {name: name for name in self._reached}  # each tensor -> the piece of memory it lies in
        size: dict[Any, int] = {}
        readers: dict[str, list[str]] = {}
        for node in self.nodes:
            for name in node.input:
                readers.setdefault(name, []).append(node.op_type)
        steps = []
        for node in self.nodes:
            quantised_at_once = node.op_type != "QuantizeLinear" or set(readers[node.input[0]]) == {"QuantizeLinear"}
            if node.op_type in VIEWS and quantised_at_once and node.input[0] in whole:
                whole[node.output[0]] = whole[node.input[0]]
                continue
            reads = tuple(whole[name] for name in node.input if name in whole)
            steps.append(Step(reads, tuple(node.output), node.op_type in ELEMENTWISE))
        for name in self._reached:
            narrow = readers.get(name) and set(readers[name]) == {"QuantizeLinear"}
            narrow = narrow or self._types.get(name) in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
            if whole[name] == name:
                size[name] = math.prod(self.shape(name)) * (1 if narrow else 4)
        return peak_bytes(steps, size, [self._start], [whole[name] for name in self._outputs if name in whole])
