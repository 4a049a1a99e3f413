"""Traced networks as ONNX graphs: one module from input to probabilities, exported whole."""

from __future__ import annotations

import io
import logging
import warnings

import onnx
import torch
from torch import Tensor, nn

OPSET = 21


class Deployed(nn.Module):
    """Input -> (probabilities (batch, class), logits): what the device runs.

    `front_end` is None where the device makes the features itself.
    """

    def __init__(self, network: nn.Module, decide: nn.Module, front_end: nn.Module | None = None):
        super().__init__()
        self.network, self.decide, self.front_end = network, decide, front_end

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(x if self.front_end is None else self.front_end(x))
        return self.decide(logits), logits


def traced(deployed: Deployed, example: Tensor, input_name: str) -> onnx.ModelProto:
    """The ONNX graph of `deployed`, batch size free; input and outputs named for people."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            deployed,
            (example,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[input_name],
            output_names=["probabilities", "logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
        )
    assert program is not None
    buffer = io.BytesIO()
    program.save(buffer, include_initializers=True)
    return onnx.load_from_string(buffer.getvalue())
