"""Tiny model files, made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinyscene.runtime.model_file import ModelCard, sealed

FRONT_END: dict[str, Any] = {
    "class": "FrontEnd",
    "spectral": {
        "class": "LogMel",
        "sample_rate_hz": 8_000,
        "n_fft": 256,
        "win_length": 256,
        "hop_length": 128,
        "n_mels": 16,
        "f_min": 0.0,
        "f_max": 4_000.0,
        "mel_scale": "htk",
        "mel_norm": None,
        "log": "log10",
        "floor": 1e-6,
    },
    "finish": [{"class": "StandardisedDeltas", "win_length": 5, "floor": 1e-3}],
}


def tiny_card(**changes: Any) -> ModelCard:
    """A card of one-second windows at 8 kHz: "low" and "high" by which half of the bands is louder."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "system": "none",
        "version": "0.1.0",
        "form": "features",
        "precision": "float32",
        "labels": ("low", "high"),
        "sample_rate_hz": 8_000,
        "window_samples": 8_000,
        "channels": "mean",
        "frontend": FRONT_END,
        "complexity": {"parameters": 32, "bytes": 0, "macs": 32},
    }
    return ModelCard(**(fields | changes))


def tiny_onnx(card: ModelCard, batch: int | str = "batch", metadata: dict[str, str] | None = None) -> bytes:
    """An ONNX file whose logits are the levels of the low and the high bands (of all samples, for waveforms)."""
    if card.form == "features":
        shape: list[int | str] = [batch, 2, 16, 63]
        weights = np.zeros((2, 16), dtype=np.float32)
        weights[0, :8] = weights[1, 8:] = 1 / 8
        nodes = [
            helper.make_node("Slice", ["features", "zero", "one", "one"], ["level"]),
            helper.make_node("ReduceMean", ["level", "axes"], ["bands"], keepdims=0),
        ]
    else:
        shape = [batch, card.window_samples]
        weights = np.ones((len(card.labels), 1), dtype=np.float32)
        weights[0] = -1
        nodes = [helper.make_node("ReduceMean", ["waveform", "one"], ["bands"], keepdims=1)]
    nodes += [
        helper.make_node("Gemm", ["bands", "weights"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = {"zero": [0], "one": [1], "axes": [1, 3]}
    initializers = [numpy_helper.from_array(np.array(value, dtype=np.int64), key) for key, value in constants.items()]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(card.form, TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, len(weights)])
            for name in ("probabilities", "logits")
        ],
        [*initializers, numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    for key, value in (card.metadata() if metadata is None else metadata).items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture
def tiny_model(tmp_path: Path):
    """Write a tiny model file: tiny_model(name, batch=..., **changes of the card) -> path."""

    def write(name: str = "tiny.onnx", batch: int | str = "batch", **changes: Any) -> Path:
        path = tmp_path / name
        path.write_bytes(sealed(tiny_onnx(tiny_card(**changes), batch)))
        return path

    return write


@pytest.fixture
def unsealed():
    """The bytes of a tiny model with metadata of one's own: unsealed({key: value})."""
    return lambda metadata=None, **changes: tiny_onnx(tiny_card(**changes), metadata=metadata)


@pytest.fixture
def card():
    """Make a card: card(**changes)."""
    return tiny_card
