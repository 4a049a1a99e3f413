"""Traced networks as ONNX graphs: one module from input to probabilities, exported whole."""

from __future__ import annotations

import logging
import warnings

import onnx
import onnx_ir as ir
import torch
from torch import Tensor, nn

OPSET = 21


FEATURES = "features"  # the name of what the network takes, in every file


class Deployed(nn.Module):
    """Input -> (probabilities (batch, class), logits): what the device runs; with a front end, its features too.

    `front_end` is None where the device makes the features itself.
    """

    def __init__(self, network: nn.Module, decide: nn.Module, front_end: nn.Module | None = None):
        super().__init__()
        self.network, self.decide, self.front_end = network, decide, front_end

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if self.front_end is None:
            logits = self.network(x)
            return self.decide(logits), logits
        features = self.front_end(x)
        logits = self.network(features)
        return self.decide(logits), logits, features


def traced(deployed: Deployed, example: Tensor, input_name: str) -> onnx.ModelProto:
    """The ONNX graph of `deployed`, batch size free; input and outputs named for people."""
    outputs = ["probabilities", "logits"]
    if deployed.front_end is not None:
        outputs.append(FEATURES if input_name != FEATURES else "finished")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own future; the result is checked
        program = torch.onnx.export(
            deployed,
            (example,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[input_name],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
            optimize=False,
        )
        assert program is not None
        _keep_floors(program.model)
        program.optimize()
    return program.model_proto


def _keep_floors(model: ir.Model) -> None:
    """Tiny scalars that are added become arrays of one element, which the optimiser leaves alone.

    It takes "x + 0" for x and any scalar below 1e-8 for 0: the floor of a logarithm would go, and silence would
    become minus infinity.
    """
    for node in model.graph:
        if node.op_type not in ("Add", "Sub"):
            continue
        for i, value in enumerate(node.inputs):
            constant = None if value is None else ir.convenience.get_const_tensor(value)
            if constant is None or constant.size != 1 or len(constant.shape) or not 0 < abs(constant.numpy()) < 1e-6:
                continue
            name = f"{node.outputs[0].name}_floor"
            kept = ir.Value(name=name, const_value=ir.tensor(constant.numpy().reshape(1), name=name))
            model.graph.register_initializer(kept)
            node.replace_input_with(i, kept)
