"""Networks that leave their maps no size: an error, where onnxruntime alone ends the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinyscene.runtime import Classifier
from tinyscene.runtime.model_file import ModelCard, sealed
from tinyscene.runtime.network_check import Refused
from tinyscene.runtime.vanishing import guarded

SIZE = 8_000  # samples of a window, as a map of 8 x 1,000

POOL = {"kernel_shape": [1, 2], "strides": [1, 2]}


def network(operator: str, more: list[str], tensors: dict[str, Any], sliced: bool = True, **settings: Any) -> bytes:
    """A sealed model whose map goes through one operator and, `sliced`, through a Slice of each second column."""
    nodes = [
        helper.make_node("Reshape", ["waveform", "map"], ["x"]),
        helper.make_node(operator, ["x", *more], ["y"], **settings),
        helper.make_node(*(("Slice", ["y", "from", "to", "axis", "step"]) if sliced else ("Relu", ["y"])), ["z"]),
        helper.make_node("ReduceMean", ["z", "maps"], ["mean"], keepdims=0),
        helper.make_node("Concat", ["mean", "mean"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    arrays = {
        "map": np.array([-1, 1, 8, 1000]),
        "from": np.array([0]),
        "to": np.array([2**31]),
        "axis": np.array([3]),
        "step": np.array([2]),
        "maps": np.array([2, 3]),
        **tensors,
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", SIZE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    card = ModelCard("m", "none", "0", "waveform", "float32", ("a", "b"), SIZE, SIZE, "mean", {})
    for key, value in card.metadata().items():
        model.metadata_props.add(key=key, value=value)
    return sealed(model.SerializeToString())


def kernel(*shape: int) -> dict[str, np.ndarray]:
    return {"w": np.full(shape, 0.1, np.float32)}


LEAVES_NOTHING = {
    "pool": ("AveragePool", [], {}, {"kernel_shape": [1, 65_535]}),
    "convolution": ("Conv", ["w"], kernel(1, 1, 1, 3_000), {}),
    "dilated": ("Conv", ["w"], kernel(1, 1, 1, 3), {"dilations": [1, 2_000]}),
    "resize": ("Resize", ["", "w"], {"w": np.array([1, 1, 1, -3], np.float32)}, {}),
    "tile": ("Tile", ["w"], {"w": np.array([1, 1, 1, -2])}, {}),
    "crop": ("Pad", ["w"], {"w": np.array([0, 0, 0, -3_000, 0, 0, 0, 0])}, {}),
}


@pytest.mark.parametrize("name", LEAVES_NOTHING)
def test_what_leaves_nothing_is_an_error_of_ours(name: str, tmp_path: Path):
    """In a process of its own, which onnxruntime would end."""
    operator, more, tensors, settings = LEAVES_NOTHING[name]
    path = tmp_path / "m.onnx"
    path.write_bytes(network(operator, more, tensors, **settings))
    assert guarded(path.read_bytes()) != path.read_bytes()
    code = (
        "import sys, numpy as np\nfrom tinyscene.errors import ModelError\nfrom tinyscene.runtime import Classifier\n"
        f"try:\n    Classifier(sys.argv[1]).probabilities(np.zeros((1, {SIZE}), np.float32))\n"
        "except ModelError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{path} cannot be run")


@pytest.mark.parametrize(
    ("operator", "more", "tensors", "settings", "sure"),
    [
        ("AveragePool", [], {}, POOL, True),
        ("Conv", ["w"], kernel(1, 1, 3, 3), {"pads": [1, 1, 1, 1]}, True),
        ("Conv", ["w"], kernel(1, 1, 1, 3), {}, False),  # leaves 998 of 1,000, but who would know without counting
    ],
)
def test_what_leaves_something_is_run(operator, more, tensors, settings, sure, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(network(operator, more, tensors, **settings))
    assert (guarded(path.read_bytes()) == path.read_bytes()) is sure
    wave = np.random.default_rng(0).normal(size=(3, SIZE)).astype(np.float32)
    assert Classifier(path).probabilities(wave).shape == (3, 2)
    path.write_bytes(network(operator, more, tensors, sliced=False, **settings))
    assert guarded(path.read_bytes()) == path.read_bytes(), "without a Slice nothing is amiss"


def test_where_slices_begin_is_the_default_of_an_input(written):
    data = written.path["float32", "waveform"].read_bytes()  # its frames are made by STFT, which may leave none
    before, after = onnx.load_from_string(data), onnx.load_from_string(guarded(data))
    begins = {node.input[1] for node in before.graph.node if node.op_type == "Slice"}
    assert begins
    assert {value.name for value in after.graph.input[1:]} == begins
    del after.graph.input[1:]
    assert before == after


def test_files_with_features_in_stay_as_they_are(written):
    for precision in ("float32", "int8"):
        data = written.path[precision, "features"].read_bytes()
        assert guarded(data) == data


def test_a_slice_at_a_computed_place_is_refused(tmp_path):
    data = network("AveragePool", [], {}, kernel_shape=[1, 3])
    model = onnx.load_from_string(data)
    model.graph.node.insert(0, helper.make_node("Abs", ["from"], ["there"]))
    next(node for node in model.graph.node if node.op_type == "Slice").input[1] = "there"
    with pytest.raises(Refused, match="at places that it computes"):
        guarded(model.SerializeToString())


def test_a_resize_to_no_size_is_refused():
    """Where sizes are not known beforehand, nothing else in onnxruntime finds it but an assertion."""
    with pytest.raises(Refused, match="resizes to no size"):
        guarded(network("Resize", [], {}))
