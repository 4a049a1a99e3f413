"""Makes an ONNX file small: what only tools read goes, tables that can be made from few numbers are."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .integer_graph import integer_moves, pads_of_convolutions, unsigned_activations


def slim(model: onnx.ModelProto, half: bool = False) -> onnx.ModelProto:
    """The same function in fewer bytes: no documentation, short names, equal constants once, sparse tables.

    Exporters write names and stack traces of 130 kB for a network of 50 kB. half: tables whose numbers 16 bits hold
    exactly are stored so.
    """
    unsigned_activations(model)
    merge_constants(model)
    integer_moves(model)
    pads_of_convolutions(model)
    sparse_tables(model)
    hann_windows(model)
    merge_constants(model)
    if half:
        half_tables(model)
    drop_defaults(model)
    strip(model)
    hide_features(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def drop_defaults(model: onnx.ModelProto) -> None:
    """Attributes that say what holds without them go."""
    (version,) = (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type == "STFT":  # onnx takes its default for another
            continue
        known = onnx.defs.get_schema(node.op_type, version).attributes
        for item in list(node.attribute):
            default = known[item.name].default_value if item.name in known else None
            value = helper.get_attribute_value(item)
            usual = node.op_type in WINDOWS and item.name in USUAL and set(value) <= {USUAL[item.name]}
            weighted = node.op_type == "Conv" and item.name == "kernel_shape"  # its weight has it
            stated = default is not None and default.type == item.type and helper.get_attribute_value(default) == value
            if usual or weighted or stated:
                node.attribute.remove(item)


WINDOWS = ("Conv", "MaxPool", "AveragePool")
USUAL = {"pads": 0, "strides": 1, "dilations": 1}


def sparse_tables(model: onnx.ModelProto) -> None:
    """A large constant matrix that is mostly zeros (a mel bank) is stored as its non-zeros and their places.

    A scatter puts it together when the session starts: onnxruntime folds operators on constants then.
    """
    graph = model.graph
    for item in list(graph.initializer):
        dense = numpy_helper.to_array(item)
        if dense.dtype != np.float32 or dense.size < 4096 or np.count_nonzero(dense) * 4 > dense.size:
            continue
        places = np.flatnonzero(dense)
        parts = {
            "values": dense.ravel()[places],
            "places": places.astype(np.int32),
            "size": np.asarray([dense.size], dtype=np.int64),
            "shape": np.asarray(dense.shape, dtype=np.int64),
        }
        name = item.name
        graph.initializer.remove(item)
        graph.initializer.extend(numpy_helper.from_array(part, f"{name}_{key}") for key, part in parts.items())
        zero = helper.make_tensor("value", onnx.TensorProto.FLOAT, [1], [0.0])
        made = [
            helper.make_node("ConstantOfShape", [f"{name}_size"], [f"{name}_empty"], value=zero),
            helper.make_node("Cast", [f"{name}_places"], [f"{name}_index"], to=onnx.TensorProto.INT64),
            helper.make_node(
                "ScatterElements", [f"{name}_empty", f"{name}_index", f"{name}_values"], [f"{name}_flat"], axis=0
            ),
            helper.make_node("Reshape", [f"{name}_flat", f"{name}_shape"], [name]),
        ]
        for position, node in enumerate(made):
            graph.node.insert(position, node)


def hann_windows(model: onnx.ModelProto) -> None:
    """A periodic Hann window among the constants is made by its operator instead."""
    graph = model.graph
    for item in list(graph.initializer):
        table = numpy_helper.to_array(item)
        if table.dtype != np.float32 or table.ndim != 1 or table.size < 256:
            continue
        if np.abs(table - np.hanning(table.size + 1)[:-1]).max() > 1e-6:
            continue
        name = item.name
        graph.initializer.remove(item)
        graph.initializer.append(numpy_helper.from_array(np.asarray(table.size, dtype=np.int64), f"{name}_size"))
        graph.node.insert(0, helper.make_node("HannWindow", [f"{name}_size"], [name], periodic=1))


def half_tables(model: onnx.ModelProto) -> None:
    """Tables of 32 bits that 16 hold exactly are stored in 16, and widened when the session starts."""
    graph = model.graph
    for item in list(graph.initializer):
        table = numpy_helper.to_array(item)
        with np.errstate(over="ignore"):
            half = table.astype(np.float16) if table.dtype == np.float32 and table.size > 16 else None
        if half is None or not np.array_equal(half.astype(np.float32), table):
            continue
        name = item.name
        graph.initializer.remove(item)
        graph.initializer.append(numpy_helper.from_array(half, f"{name}_half"))
        graph.node.insert(0, helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))


def merge_constants(model: onnx.ModelProto) -> None:
    """Constants of equal type, shape and content are kept once; those that nothing reads are dropped."""
    graph = model.graph
    kept: dict[tuple[object, ...], str] = {}
    same: dict[str, str] = {}
    for item in list(graph.initializer):
        array = numpy_helper.to_array(item)
        first = kept.setdefault((array.dtype.str, array.shape, array.tobytes()), item.name)
        if first != item.name:
            same[item.name] = first
            graph.initializer.remove(item)
    read = set()
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = same.get(name, name)
            read.add(node.input[i])
    for item in list(graph.initializer):
        if item.name not in read:
            graph.initializer.remove(item)


def hide_features(model: onnx.ModelProto) -> None:
    """What a front end inside the model makes is no output, but keeps its name: where the network begins.

    The complexity counter starts there, and a tool that looks for a difference can look there.
    """
    del model.graph.output[2:]


def strip(model: onnx.ModelProto) -> None:
    """No documentation, no metadata, no inferred shapes; inner names of one to three characters."""
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    model.producer_name, model.producer_version, graph.name = "tinyscene", "", "scene"
    model.doc_string = graph.doc_string = ""
    public = {value.name for value in (*graph.input, *graph.output)}
    short = {name: name for name in ("", *public)}  # "" stands for an input that is left out
    free = (name for name in map(_base36, itertools.count()) if name not in public)

    def rename(name: str) -> str:
        if name not in short:
            short[name] = next(free)
        return short[name]

    for node in graph.node:
        node.doc_string = node.name = ""
        del node.metadata_props[:]
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
    for item in graph.initializer:
        item.name, item.doc_string = rename(item.name), ""
        del item.metadata_props[:]
    for value in (*graph.input, *graph.output):
        value.doc_string = ""
        del value.metadata_props[:]


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = digits[number % 36]
    while number := number // 36:
        text = digits[number % 36] + text
    return text
