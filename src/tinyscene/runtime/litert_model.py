"""A LiteRT file (.tflite) at work: features in, logits and probabilities out, with numpy and ai_edge_litert."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import ModelError, missing_extra
from .card_file import part, read_with_card
from .decision import Fusion
from .feature_model import FeatureModel
from .litert_graph import LitertTensor, read_litert
from .model_file import ModelCard
from .quiet import quiet


class LitertModel(FeatureModel):
    """A network in LiteRT's interpreter, one window after the other. `threads` is how many it may use.

    An int8 network takes and gives int8: features are quantised and logits put back into numbers here, by the scale
    and zero point that the file holds. `LitertModel.read(path)` opens FILE.tflite with FILE.tflite.json beside it.
    """

    def __init__(self, name: str, data: bytes, card: ModelCard, decide: Fusion, threads: int = 1):
        super().__init__(card, decide)
        graph = read_litert(data)
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ModelError(
                f"{name} takes {len(graph.inputs)} inputs and gives {len(graph.outputs)}; one each is run."
            )
        self.input, self.output = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        for tensor in (self.input, self.output):
            if tensor.kind not in ("FLOAT32", "INT8") or (tensor.kind == "INT8" and not tensor.scale):
                raise ModelError(f"{name} takes and gives FLOAT32, or INT8 with a scale; {tensor.kind} came.")
        self._name = name
        self._interpreter = _interpreter(name, data, threads)
        self._takes = self._interpreter.get_input_details()[0]["index"]
        self._gives = self._interpreter.get_output_details()[0]["index"]

    @classmethod
    def read(cls, path: str | os.PathLike[str], threads: int = 1) -> LitertModel:
        """Raises ModelError, naming the file, when it or its card cannot be used."""
        name = os.fspath(path)
        data, card, content = read_with_card(path, ".tflite")
        decide = Fusion.from_dict(part(content, "decision", name), name)
        if decide.n_classes != len(card.labels):
            raise ModelError(f"{name} has {len(card.labels)} labels for {decide.n_classes} classes. Export it again.")
        try:
            return cls(name, data, card, decide, threads)
        except ModelError as error:
            text = str(error)
            raise ModelError(text if text.startswith(name) else f"{name}: {text}") from None

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(window, channel, band, frame) float32 -> (window, logit) float32."""
        if features.shape[1:] != self.input.shape[1:]:
            wanted = " x ".join(map(str, self.input.shape[1:]))
            raise ModelError(f"{self._name} takes features of {wanted} a window; {features.shape[1:]} came.")
        rows = []
        for window in quantised(features, self.input):
            self._interpreter.set_tensor(self._takes, window[None])
            try:
                self._interpreter.invoke()
            except (RuntimeError, ValueError) as error:
                raise ModelError(f"{self._name} cannot be run ({' '.join(str(error).split())}).") from None
            rows.append(self._interpreter.get_tensor(self._gives).reshape(1, -1))
        return numbers(np.concatenate(rows), self.output) if rows else np.empty((0, self.output.shape[-1]), np.float32)


def quantised(values: np.ndarray, tensor: LitertTensor) -> np.ndarray:
    """Numbers as a tensor takes them: round(x / scale) + zero point, halves to even, cut off at -128 and 127."""
    if tensor.scale is None:
        return values.astype(np.float32, copy=False)
    steps = np.rint(values * np.float32(1 / tensor.scale)) + np.float32(tensor.zero_point or 0)
    return np.clip(steps, -128, 127).astype(np.int8)


def numbers(values: np.ndarray, tensor: LitertTensor) -> np.ndarray:
    """What a tensor's content stands for: (q - zero point) x scale."""
    if tensor.scale is None:
        return values.astype(np.float32, copy=False)
    return (values.astype(np.float32) - np.float32(tensor.zero_point or 0)) * np.float32(tensor.scale)


def _interpreter(name: str, data: bytes, threads: int) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]
    except ImportError as error:
        raise missing_extra("running a .tflite file", "tflite", error.name) from None
    try:
        with quiet():
            interpreter = Interpreter(model_content=data, num_threads=threads)
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{name} cannot be run by LiteRT ({reason}). Export the model again.") from None
    return interpreter
