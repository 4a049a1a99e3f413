"""Which tensors of an exported graph become int8: the integer scheme of TFLite, CMSIS-NN and ONNX QDQ.

Activations int8 affine per tensor, weights int8 symmetric per output channel, biases on the int32 grid of their
layer. Plain FakeQuantize throughout: the fused observer picks other scales in training than after conversion.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import (
    FakeQuantize,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import (
    FixedQParamsQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

aten = torch.ops.aten


class TrainingFakeQuantize(FakeQuantize):
    """Watches the range of its values in training only: what is validated on must not move the scales."""

    def forward(self, X: Tensor) -> Tensor:
        watches = int(self.observer_enabled[0])
        if self.training or not watches:
            return super().forward(X)
        self.disable_observer()
        try:
            return super().forward(X)
        finally:
            self.enable_observer()


ACTIVATION = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_affine,
    observer_or_fake_quant_ctr=TrainingFakeQuantize.with_args(
        observer=MovingAverageMinMaxObserver, eps=2**-12, averaging_constant=0.05
    ),
)
WEIGHT = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-127,
    quant_max=127,
    qscheme=torch.per_channel_symmetric,
    ch_axis=0,
    observer_or_fake_quant_ctr=FakeQuantize.with_args(
        observer=MovingAveragePerChannelMinMaxObserver, eps=2**-12, averaging_constant=1.0
    ),
)
# A sigmoid lives in 0..1: every integer runtime fixes its output at scale 1/256, so training does too.
SIGMOID = FixedQParamsQuantizationSpec(
    dtype=torch.int8, scale=1 / 256, zero_point=-128, quant_min=-128, quant_max=127, qscheme=torch.per_tensor_affine
)

WEIGHTED = {aten.conv2d.default, aten.conv1d.default, aten.linear.default}
CLIPPED = {aten.relu.default, aten.relu_.default, aten.hardtanh.default, aten.hardtanh_.default}
TWO_INPUTS = {aten.add.Tensor, aten.add_.Tensor, aten.mul.Tensor, aten.mul_.Tensor, aten.maximum.default}
SUMS = WEIGHTED | TWO_INPUTS  # a ReLU behind one of these is one integer operation with it
ONE_INPUT = {
    aten.mean.dim,
    aten.adaptive_avg_pool2d.default,
    aten.avg_pool2d.default,
    aten.hardswish.default,
    aten.hardsigmoid.default,
}
# These move values without changing them: output and input share one scale.
MOVING = {
    aten.permute.default,
    aten.transpose.int,
    aten.view.default,
    aten.reshape.default,
    aten.flatten.using_ints,
    aten.unsqueeze.default,
    aten.squeeze.dim,
    aten.slice.Tensor,
    aten.max_pool2d.default,
    aten.expand.default,
    aten.dropout.default,
}


class IntegerQuantizer(Quantizer):
    """Annotates a graph from torch.export; batch norm has been folded before."""

    def annotate(self, model: GraphModule) -> GraphModule:
        for node in model.graph.nodes:
            if node.op == "call_function":
                _annotate(node)
        return model

    def validate(self, model: GraphModule) -> None:
        """Nothing to refuse: what is not annotated stays float; `float_operations` lists it."""


def _annotate(node: Node) -> None:
    op = node.target
    # An addition or convolution that only feeds a ReLU is one integer operation with it: no rounding in between.
    output = None if len(node.users) == 1 and next(iter(node.users)).target in CLIPPED else ACTIVATION
    inputs = [arg for arg in node.args if isinstance(arg, Node)]
    if op in WEIGHTED:
        _mark(node, {inputs[0]: _as_made(inputs[0]), inputs[1]: WEIGHT}, output)
    elif op in TWO_INPUTS:
        _mark(node, {arg: _as_made(arg) for arg in inputs if is_activation(arg)}, output)
    elif op in ONE_INPUT:
        _mark(node, {inputs[0]: _as_made(inputs[0])}, output)
    elif op in CLIPPED:
        source = inputs[0]
        fused = source.target in SUMS and len(source.users) == 1
        _mark(node, {} if fused else {source: _as_made(source)}, ACTIVATION)
    elif op == aten.sigmoid.default:
        _mark(node, {inputs[0]: _as_made(inputs[0])}, SIGMOID)
    elif op == aten.cat.default:
        parts = node.args[0]
        assert isinstance(parts, Iterable)
        first, *others = (part for part in parts if isinstance(part, Node))
        shared = SharedQuantizationSpec((first, node))
        _mark(node, {first: ACTIVATION, **dict.fromkeys(others, shared)}, shared)
    elif op in MOVING and is_activation(inputs[0]):
        _mark(node, {inputs[0]: _as_made(inputs[0])}, SharedQuantizationSpec((inputs[0], node)))


def _as_made(node: Node) -> QuantizationSpec | FixedQParamsQuantizationSpec:
    """The spec that `node` comes with, so that it is quantised once.

    A value quantised twice in a row, to two scales, is one that runtimes merge, each in its own way: onnxruntime's
    answers then depend on whether it optimises.
    """
    return SIGMOID if _origin(node).target == aten.sigmoid.default else ACTIVATION


def _origin(node: Node) -> Node:
    """The node that made the values which `node` only moves."""
    while node.target in MOVING:
        node = node.all_input_nodes[0]
    return node


def _mark(node: Node, inputs: dict[Node, object], output: object) -> None:
    node.meta["quantization_annotation"] = QuantizationAnnotation(
        input_qspec_map=inputs,  # type: ignore[arg-type]
        output_qspec=output,  # type: ignore[arg-type]
        _annotated=True,
    )


def is_activation(node: Node) -> bool:
    """Whether a node gives a float tensor that is no parameter, nor one in another shape."""
    value = node.meta.get("val")
    return _origin(node).op != "get_attr" and isinstance(value, Tensor) and value.is_floating_point()
