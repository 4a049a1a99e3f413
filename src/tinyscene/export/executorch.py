"""Writes and runs an ExecuTorch file (.pte) for phones: features in, logits out, batch 1, by the XNNPACK delegate."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import GraphModule

from ..errors import ModelError, missing_extra
from ..runtime.card_file import card_path, part, read_with_card
from ..runtime.decision import Fusion
from ..runtime.feature_model import FeatureModel
from ..runtime.model_file import ModelCard
from ..runtime.quiet import quiet
from .beside import Opened, failed, write_proven
from .model_file import Export
from .own_form import unshared


class ExecutorchModel(FeatureModel):
    """A network in ExecuTorch's runtime, one window after the other; float in and out, int8 inside where it is so.

    `ExecutorchModel.read(path)` opens FILE.pte with FILE.pte.json beside it.
    """

    def __init__(self, name: str, data: bytes, card: ModelCard, decide: Fusion, takes: tuple[int, ...]):
        super().__init__(card, decide)
        self._name, self.takes = name, takes
        # The runtime reads from the bytes and from the program for as long as the method runs.
        self._data, self._program, self._method = _loaded(name, data)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> ExecutorchModel:
        """Raises ModelError, naming the file, when it or its card cannot be used."""
        name = os.fspath(path)
        data, card, content = read_with_card(path, ".pte")
        decide = Fusion.from_dict(part(content, "decision", name), name)
        shape = part(content, "input", name).get("shape")
        if not isinstance(shape, list) or len(shape) != 4 or not all(isinstance(n, int) and n > 0 for n in shape):
            raise ModelError(f"{card_path(name)}: input.shape takes four sizes; {shape} came. Export it again.")
        if decide.n_classes != len(card.labels):
            raise ModelError(f"{name} has {len(card.labels)} labels for {decide.n_classes} classes. Export it again.")
        return cls(name, data, card, decide, tuple(shape))

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(window, channel, band, frame) float32 -> (window, logit) float32."""
        if features.shape[1:] != self.takes[1:]:
            wanted = " x ".join(map(str, self.takes[1:]))
            raise ModelError(f"{self._name} takes features of {wanted} a window; {features.shape[1:]} came.")
        rows = []
        for window in features.astype(np.float32, copy=False):
            try:
                (made,) = self._method.execute([torch.from_numpy(np.ascontiguousarray(window[None]))])
            except RuntimeError as error:
                raise ModelError(f"{self._name} cannot be run ({' '.join(str(error).split())}).") from None
            rows.append(made.numpy().copy())  # the next window is written over it
        return np.concatenate(rows) if rows else np.empty((0, self.decide.n_classes), np.float32)


def write_executorch(export: Export, path: Path, waveforms: Tensor) -> Path:
    """Write FILE.pte and FILE.pte.json and return the first's path.

    `waveforms` (1 or more, window_samples) are what it is proven on. A float16 network is stored in 32 bits here.

    Raises:
        MissingExtraError: executorch is not installed.
        ModelError: the network cannot be lowered, or the file's answers on `waveforms` differ from it; nothing is
            written.
        OutputError: the folder cannot be written; nothing is left behind.
    """
    step = _last_step(export.network) if export.precision == "int8" else None

    def opened(data: bytes, card: ModelCard, fusion: Fusion, features: Tensor, logits: Tensor) -> Opened:
        floats = {"type": "float32", "scale": None, "zero_point": None}
        model = ExecutorchModel(path.name, data, card, fusion, (1, *features.shape[1:]))
        gives = {"shape": (1, logits.shape[1]), **floats}
        return Opened(model, {"shape": model.takes, **floats}, gives, step)

    return write_proven(export, path, waveforms, _lowered, opened)


def _lowered(export: Export, example: Tensor) -> bytes:
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library's own imports
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import (  # type: ignore[import-not-found]
                XnnpackPartitioner,
            )
            from executorch.exir import to_edge_transform_and_lower  # type: ignore[import-not-found]
    except ImportError as error:
        raise missing_extra("writing a .pte file", "executorch", error.name) from None
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = unshared(export.network) if isinstance(export.network, GraphModule) else export.network
            program = torch.export.export(network, (example,))
            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            return bytes(lowered.to_executorch().buffer)
    except Exception as error:  # a compiler's errors share no class
        raise failed(export, "ExecuTorch", error) from None


def _loaded(name: str, data: bytes) -> tuple[bytes, Any, Any]:
    try:
        with quiet():
            from executorch.runtime import Runtime  # type: ignore[import-not-found]
    except ImportError as error:
        raise missing_extra("running a .pte file", "executorch", error.name) from None
    try:
        with quiet():
            program = Runtime.get().load_program(data)
            return data, program, program.load_method("forward")
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{name} cannot be run by ExecuTorch ({reason}). Export the model again.") from None


def _last_step(network: Any) -> float | None:
    """The scale of a converted network's last quantisation, that of its logits; None where they stay float."""
    last = next(node for node in reversed(network.graph.nodes) if node.op == "output").all_input_nodes[0]
    if last.target != torch.ops.quantized_decomposed.dequantize_per_tensor.default:
        return None
    scale = last.args[1]
    return float(scale if isinstance(scale, float) else network.get_buffer(str(scale.target)))
