"""The integer part of an ONNX graph as runtimes like it: unsigned activations, moves of integers, padding folded in."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper


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
