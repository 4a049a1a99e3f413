"""Makes an ONNX file small: what only tools read goes, tables that can be made from few numbers are."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
from onnx import helper, numpy_helper


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


def unsigned_activations(model: onnx.ModelProto) -> None:
    """int8 activations become uint8 (zero point + 128): the same values, and onnxruntime fuses all operators."""
    graph = model.graph
    constants = {item.name: item for item in graph.initializer}
    steps = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    of_activations = [node for node in steps if node.input[0] not in constants and len(node.input) > 2]
    for name in sorted({node.input[2] for node in of_activations}):
        signed = numpy_helper.to_array(constants[name])
        if signed.dtype != np.int8:
            continue
        shifted = (signed.astype(np.int16) + 128).astype(np.uint8)
        graph.initializer.append(numpy_helper.from_array(shifted, f"{name}_unsigned"))
        for node in of_activations:
            if node.input[2] == name:
                node.input[2] = f"{name}_unsigned"


# These choose among values without changing them; of all of them runtimes have a form for integers.
MOVES = {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Identity", "Slice", "Split", "Concat"}
MOVES |= {"MaxPool", "ReduceMax", "Pad", "Resize"}


def integer_moves(model: onnx.ModelProto) -> None:
    """What only moves quantised values about, at one scale, moves the integers: no steps to float and back around it.

    Expects equal constants to have one name. Runtimes do the same when they load the file; here it saves bytes.
    """
    graph, public = model.graph, {value.name for value in model.graph.output}
    _twice_the_same(graph, public)
    for node in list(graph.node):
        if node.op_type not in MOVES or not _moves_only(node):
            continue
        makers = {name: maker for maker in graph.node for name in maker.output}
        data = node.input if node.op_type == "Concat" else node.input[:1]
        before = [makers.get(name) for name in data]
        after = [user for user in graph.node for name in user.input if name in node.output]
        steps = [step for step in before if step is not None and step.op_type == "DequantizeLinear"]
        grids = {tuple(step.input[1:]) for step in steps} | {tuple(step.input[1:]) for step in after}
        whole = len(steps) == len(data) and {step.op_type for step in after} == {"QuantizeLinear"}
        if not whole or len(grids) != 1 or public & {*node.output, *(step.output[0] for step in after)}:
            continue
        (grid,) = grids
        for i, step in enumerate(steps):
            node.input[i] = step.input[0]
        if node.op_type == "Pad" and len(grid) > 1:
            node.input[:] = [*node.input[:2], grid[1], *node.input[3:]]
        for i, name in enumerate(node.output):
            same = {step.output[0] for step in after if step.input[0] == name}
            if same:  # a part that nothing reads has none
                node.output[i] = min(same)
                _rename(graph, same, min(same))
        for step in after:
            graph.node.remove(step)
        _drop_unread(graph, steps)


def _twice_the_same(graph: onnx.GraphProto, public: set[str]) -> None:
    """A step to the grid that a value is on already, as a dropout leaves behind, goes."""
    steps = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in [node for node in graph.node if node.op_type == "QuantizeLinear" and node.output[0] not in public]:
        step = steps.get(node.input[0])
        if step is not None and list(step.input[1:]) == list(node.input[1:]):
            _rename(graph, {node.output[0]}, step.input[0])
            graph.node.remove(node)
            _drop_unread(graph, [step])


def _moves_only(node: onnx.NodeProto) -> bool:
    settings = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    usual = {"Resize": b"nearest", "Pad": b"constant"}.get(node.op_type)
    return usual is None or settings.get("mode", usual) == usual


def pads_of_convolutions(model: onnx.ModelProto) -> None:
    """Zeros that are put around a map for a convolution alone become the convolution's own padding."""
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    makers = {name: maker for maker in graph.node for name in maker.output}
    for conv in [node for node in graph.node if node.op_type == "Conv"]:
        step = makers.get(conv.input[0])
        quantised = step is not None and step.op_type == "DequantizeLinear"
        pad = makers.get(step.input[0]) if step is not None and quantised else step
        if step is None or pad is None or pad.op_type != "Pad" or pad.input[1] not in constants:
            continue
        zero = step.input[2] if quantised and len(step.input) > 2 else ""
        value = pad.input[2] if len(pad.input) > 2 else ""
        sides = constants[pad.input[1]].tolist()
        around = sides[2:4] + sides[6:]
        same = value == zero if quantised else not value or not np.any(constants.get(value, 1))
        settings = {item.name: item for item in conv.attribute}
        own_rule = "auto_pad" in settings and settings["auto_pad"].s != b"NOTSET"
        if len(sides) != 8 or any(sides[:2] + sides[4:6]) or min(around) < 0 or not same or own_rule:
            continue
        own = list(settings["pads"].ints) if "pads" in settings else [0] * 4
        if "pads" in settings:
            conv.attribute.remove(settings["pads"])
        conv.attribute.append(helper.make_attribute("pads", [a + b for a, b in zip(own, around, strict=True)]))
        if not quantised:
            conv.input[0] = pad.input[0]
        else:
            name = f"{conv.output[0]}_unpadded"
            made = helper.make_node("DequantizeLinear", [pad.input[0], *step.input[1:]], [name])
            graph.node.insert(list(graph.node).index(conv), made)
            conv.input[0] = name
        _drop_unread(graph, [step, pad])


def _rename(graph: onnx.GraphProto, names: set[str], name: str) -> None:
    for node in graph.node:
        node.input[:] = [name if one in names else one for one in node.input]


def _drop_unread(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Remove those of `nodes` whose outputs nothing reads, one after the other."""
    for node in nodes:
        read = {name for other in graph.node for name in other.input} | {value.name for value in graph.output}
        if node in graph.node and not read & set(node.output):
            graph.node.remove(node)


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
