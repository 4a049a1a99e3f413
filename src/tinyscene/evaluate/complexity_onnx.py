"""Parameters, bytes and multiply-accumulates of an ONNX file, read from its graph, not from what it says of itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper


def count_onnx(data: bytes, window_s: float) -> dict[str, Any]:
    """The counts of `count_complexity` for a model file; the front end inside a waveform model is left out.

    Counted are the constants that convolutions, fully connected layers and per-channel affine steps read, directly
    or through a DequantizeLinear, at the bytes they are stored in; equal ones that the file holds once count once.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data), strict_mode=False, data_prop=True)
    graph = model.graph
    constants = {item.name: item for item in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    shapes = {
        value.name: [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output, *graph.input)
    }
    total = nonzero = stored = stored_nonzero = macs = 0
    seen: set[str] = set()
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "Mul", "Add"):
            continue
        positions = math.prod(shapes[node.output[0]][2:]) if node.op_type == "Conv" else 1
        for name in node.input:
            constant = constants.get(_source(name, made_by))
            if constant is None:
                continue
            array = numpy_helper.to_array(constant)
            if node.op_type in ("Mul", "Add") and (array.ndim < 2 or array.size < 2):
                continue  # no scale or shift of channels
            macs += array.size * positions
            if constant.name in seen:
                continue
            seen.add(constant.name)
            filled = int(np.count_nonzero(array))
            total, nonzero = total + array.size, nonzero + filled
            stored, stored_nonzero = stored + array.nbytes, stored_nonzero + filled * array.itemsize
    return {
        "parameters": total,
        "parameters_keras": total,  # batch norm is folded: both conventions agree
        "parameters_nonzero": nonzero,
        "bytes": stored,
        "bytes_nonzero": stored_nonzero,
        "macs": macs,
        "macs_per_s": round(macs / window_s),
    }


def _source(name: str, made_by: dict[str, onnx.NodeProto]) -> str:
    """The tensor behind a DequantizeLinear, or the tensor itself."""
    node = made_by.get(name)
    return node.input[0] if node is not None and node.op_type == "DequantizeLinear" else name
