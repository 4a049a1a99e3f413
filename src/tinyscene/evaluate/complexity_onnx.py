"""Counts of an ONNX file, float or int8, read from its graph, not from what it says of itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from ..errors import ModelError
from .activation_memory import Step, peak_bytes
from .complexity import Layer, totals
from .onnx_graph import INDICES, PASSING, TRY, VIEWS, Network, told

AFFINE = ("Mul", "Add", "Sub", "Div")  # with a constant for each channel: a batch norm that follows no convolution
RECURRENT = ("LSTM", "GRU", "RNN")
NORMS = ("BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization")
LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "PRelu", *RECURRENT, *NORMS, *AFFINE)
COUNTED = (*LAYERS, "Attention", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean")
ELEMENTWISE = (
    *(*AFFINE, "Relu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Clip", "LeakyRelu", "PRelu", "Max", "Min"),
    *("Softmax", "LogSoftmax", "Exp", "Log", "Sqrt", "Pow", "Neg", "Erf", "Gelu", "BatchNormalization"),
)
# Inputs by number that hold no weights: scales, zero points, indices, masks, regions.
NO_WEIGHTS = {
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
    "Gather": (1,),
    "Attention": (3,),
    "Resize": (1, 2),
    "Upsample": (1,),
}


def count_onnx(data: bytes, window_s: float) -> dict[str, Any]:
    """The counts of `complexity.MEANING` for a model file, from its features to its logits.

    Counted are the constants that layers read, directly or behind a cast, a transposition or a DequantizeLinear, at
    the bytes they are stored in; equal ones that the file holds once count once. A batch norm that was left in is
    stored with its running statistics. A map takes one byte a cell where it is quantised at once, else what its number
    type takes. Quantised operators count as what they compute. Layers are named by their operator and number: their
    names in the network are not in the file.

    Raises:
        ModelError: bytes that are no ONNX file, or one that cannot be counted: weights in other files, weights in
            operators that are not known here, free axes beside the batch, maps of no size.
    """
    try:
        return _count(Network(_read(data)), window_s)
    except ModelError:
        raise
    except Exception as error:  # of libraries, at files that were made or damaged to break them: in their own words
        raise ModelError(
            "this is no ONNX file that can be counted: it breaks ONNX's rules. Copy or download it again; if "
            "onnx.checker takes it, please report it."
        ) from error


def _count(network: Network, window_s: float) -> dict[str, Any]:
    _refuse_unknown(network)
    layers: list[Layer] = []
    seen: set[str] = set()
    for node in network.nodes:
        if node.op_type not in COUNTED:
            continue
        made = next(name for name in node.output if name)
        layer = Layer(f"{node.op_type.lower()}-{len(layers)}", node.op_type, network.shape(made)[1:])
        layers.append(layer)
        constants = _constants(node, network)
        _work(layer, node, constants, network)
        if node.op_type not in LAYERS:
            continue
        for name, array, statistic in constants:
            if name in seen:
                continue
            seen.add(name)
            filled = int(np.count_nonzero(array))
            layer.parameters_keras += array.size
            if not statistic:
                layer.parameters += array.size
                layer.parameters_nonzero += filled
            layer.store(str(array.dtype), array.itemsize, array.size, filled, node.op_type == "BatchNormalization")
    return totals(layers, window_s, _peak(network))


def _read(data: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(data)
    except DecodeError:
        raise ModelError("this is no ONNX file, or its bytes are damaged. Copy or download it again.") from None
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
    _check_order(model.graph)
    return model


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
        kind = TensorProto.DataType.Name(table.data_type)
        bits = 4 if kind in ("INT4", "UINT4", "FLOAT4E2M1") else 2 if kind in ("INT2", "UINT2") else 0
        bits = bits or 8 * helper.tensor_dtype_to_np_dtype(table.data_type).itemsize
        holds, fits = f"{len(table.raw_data)} bytes", len(table.raw_data) == (says * bits + 7) // 8
    else:
        held = len(getattr(table, helper.tensor_dtype_to_field(table.data_type)))
        holds, fits = f"{held}", held <= says <= max(1, 8 * held) if says else not held
        if table.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32):
            fits = held == says
    if not fits:
        raise ModelError(f"{name} says it has {says} numbers and holds {holds}: the file is damaged.")


def _refuse_unknown(network: Network) -> None:
    """ModelError where something may hold weights or products that nobody would count."""
    found: set[str] = set()
    for node in network.nodes:
        for i, name in enumerate(node.input):
            if i in NO_WEIGHTS.get(node.op_type, ()):
                continue
            if name not in network.reached and network.computed(name):
                found.add(network.computed(name))
            elif node.op_type not in (*LAYERS, *PASSING) and network.weighs(name):
                found.add(node.op_type)
    if found:
        raise ModelError(f"it holds weights in operators that are not counted: {', '.join(sorted(found)[:8])}. {TRY}")


def _constants(node: onnx.NodeProto, network: Network) -> list[tuple[str, np.ndarray, bool]]:
    """(name, table, whether it is a running statistic) of each constant that is a layer's own."""
    numbered = [(i, name, array) for i, given in enumerate(node.input) for name, array in network.constant(given)]
    kind = node.op_type
    if kind in AFFINE:  # a scale or shift of channels, or a bias behind a product; not what runs along a map's frames
        if any(_scale(name, network) for name in node.input):
            return []
        flat = len(network.shape(node.output[0])) < 4
        behind = any(_maker(name, network) == "MatMul" for name in node.input)
        if network.number_type(node.output[0]) in INDICES:
            return []
        wide = {i for i, given in enumerate(node.input) if len(network.shape(given)) > 1}
        numbered = [(i, n, a) for i, n, a in numbered if a.size > 1 and (i in wide or behind or flat)]
    elif kind in RECURRENT:  # lengths are no weights; nor is a first state of zeros
        numbered = [(i, n, a) for i, n, a in numbered if i in (1, 2, 3, 7) or (i in (5, 6) and np.count_nonzero(a))]
    elif kind == "InstanceNormalization" and _maker(node.input[0], network) == "Reshape":
        # Behind a reshape this is an exporter's group norm: ones and zeros that are not the network's.
        numbered = [] if all((a == (i == 1)).all() for i, _, a in numbered) else numbered
    return [(name, array, kind == "BatchNormalization" and i > 2) for i, name, array in numbered]


def _scale(name: str, network: Network) -> bool:
    """Whether a tensor is the step of a map that is quantised on the way, times a constant or not."""
    maker = network.before(name, PASSING)
    return maker is not None and maker.op_type == "DynamicQuantizeLinear" and name not in maker.output[:1]


def _maker(name: str, network: Network) -> str:
    maker = network.before(name, ("DequantizeLinear", "QuantizeLinear"))
    return "" if maker is None else maker.op_type


def _work(layer: Layer, node: onnx.NodeProto, constants: list[tuple[str, np.ndarray, bool]], network: Network) -> None:
    """Multiply-accumulates of one operation by each rule, into `layer`."""
    kind, made = node.op_type, network.shape(next(name for name in node.output if name))
    shapes = [network.shape(name) for name in node.input]
    taken = shapes[0]
    size = sum(array.size for _, array, statistic in constants if not statistic)
    if kind in ("Conv", "ConvTranspose"):
        positions, weight = made[0] * math.prod(made[2:]), math.prod(shapes[1])
        layer.macs = size * positions
        layer.macs_true = weight * (positions if kind == "Conv" else taken[0] * math.prod(taken[2:]))
        layer.macs_tflite = weight * positions if kind == "Conv" and constants else 0
    elif kind in ("Gemm", "MatMul"):
        layer.macs = size
        inner = taken[0] if kind == "Gemm" and network.attribute(node, "transA", 0) else taken[-1]
        layer.macs_true = math.prod(made) * inner
        if constants:  # right behind a flattened map the official counter charges the channels alone
            born = network.flattened(node.input[0])
            layer.macs_tflite = (born[1] if born else inner) * made[-1]
    elif kind == "Einsum":
        layer.macs, layer.macs_true = size, _einsum(network.attribute(node, "equation", b"").decode(), shapes)
    elif kind in RECURRENT:
        steps = math.prod(taken[:2])
        layer.macs = size * steps
        layer.macs_true = layer.macs_tflite = (math.prod(shapes[1]) + math.prod(shapes[2])) * steps
    elif kind == "Attention":  # queries times keys, and what they weigh times values
        layer.macs_true = (math.prod(taken) + math.prod(made)) * shapes[1][-2]
    elif kind in ("MaxPool", "AveragePool"):
        layer.macs_tflite = math.prod(made) * math.prod(network.attribute(node, "kernel_shape", [1]))
    elif kind in ("GlobalAveragePool", "ReduceMean"):
        layer.macs_tflite = math.prod(taken)
    else:
        layer.macs = size
        if kind in AFFINE and constants and _behind_integer_convolution(node, network):
            layer.macs = size * math.prod(made[2:])  # its bias
        if kind == "Add" and not any(network.constant(name) for name in node.input):
            layer.macs_tflite = math.prod(made)


def _behind_integer_convolution(node: onnx.NodeProto, network: Network) -> bool:
    for name in node.input:
        scaling = network.before(name, ("Cast",))
        if scaling is not None and scaling.op_type == "Mul":
            makers = [network.before(given, ("Cast",)) for given in scaling.input]
            return any(maker is not None and network.integer.intersection(maker.output) for maker in makers)
    return False


def _einsum(equation: str, shapes: list[tuple[int, ...]]) -> int:
    """Products of one tensor with another; none where there is one alone."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    if "." in equation or len(terms) > 2:
        raise ModelError(f"it has an Einsum '{told(equation)}' of a kind that is not counted. {TRY}")
    if len(terms) < 2:
        return 0
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            sizes[letter] = max(n, sizes.get(letter, 1))
    return math.prod(sizes.values())


def _peak(network: Network) -> int:
    """Peak activation memory; what is quantised at once, or only seen in another shape, takes its room once."""
    whole = {name: name for name in network.reached}  # each tensor -> the piece of memory it lies in
    size: dict[Any, int] = {}
    readers: dict[str, list[str]] = {}
    for node in network.nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    steps = []
    for node in network.nodes:
        quantised_at_once = node.op_type != "QuantizeLinear" or set(readers[node.input[0]]) == {"QuantizeLinear"}
        if node.op_type in VIEWS and quantised_at_once and node.input[0] in whole:
            whole[node.output[0]] = whole[node.input[0]]
            continue
        reads = tuple(whole[name] for name in node.input if name in whole)
        steps.append(Step(reads, tuple(name for name in node.output if name), node.op_type in ELEMENTWISE))
    for name in network.reached:
        kind = network.number_type(name)
        narrow = readers.get(name) and set(readers[name]) == {"QuantizeLinear"}
        narrow = narrow or kind in (TensorProto.INT8, TensorProto.UINT8)
        half = kind in (TensorProto.FLOAT16, TensorProto.BFLOAT16)
        if whole[name] == name:
            size[name] = math.prod(network.shape(name)) * (1 if narrow else 2 if half else 4)
    return peak_bytes(steps, size, network.starts, [whole[name] for name in network.outputs if name in whole])
