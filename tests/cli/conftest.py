"""A tiny model file for verbs that hear sound, made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinyscene.runtime.model_file import ModelCard, sealed

RATE = 8_000


@pytest.fixture(scope="session")
def level_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """level_model(labels, slope, bias, size): a file that takes windows of 0.5 s at 8 kHz.

    Its two logits are -(slope x + bias) and slope x + bias of a window's mean x, with `size` of its mean size.
    """

    def make(labels: Sequence[str], slope: float, bias: float = 0.0, size: bool = False) -> Path:
        card = ModelCard(
            name="tiny",
            system="none",
            version="0.1.0",
            form="waveform",
            precision="float32",
            labels=tuple(labels),
            sample_rate_hz=RATE,
            window_samples=RATE // 2,
            channels="mean",
            frontend={},
        )
        constants = {"weight": np.array([[-slope], [slope]]), "bias": np.array([-bias, bias])}
        nodes = [
            helper.make_node("Abs" if size else "Identity", ["waveform"], ["sound"]),
            helper.make_node("ReduceMean", ["sound", "axis"], ["level"]),
            helper.make_node("Gemm", ["level", "weight", "bias"], ["logits"], transB=1),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ]
        graph = helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", RATE // 2])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])],
            [
                *(numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()),
                numpy_helper.from_array(np.array([1]), "axis"),
            ],
        )
        file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        for key, value in card.metadata().items():
            file.metadata_props.add(key=key, value=value)
        onnx.checker.check_model(file)
        path = tmp_path_factory.mktemp("model") / "tiny.onnx"
        path.write_bytes(sealed(file.SerializeToString()))
        return path

    return make
