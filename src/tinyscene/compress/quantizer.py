"""Which tensors of an exported graph become int8: the integer scheme of TFLite, CMSIS-NN and ONNX QDQ.

Activations int8 affine per tensor, weights int8 symmetric per output channel, biases on the int32 grid of their
layer. Plain FakeQuantize throughout: the fused observer picks other scales in training than after conversion.

Scales of activations are powers of 2, or, where two maps are added, a few of them, and their zero points even; those of
weights have four significant bits. Every sum of a layer is then exact in 32-bit floats, in whatever order it is added
up, and so is its step to the next scale: simulation and integer runtimes give the same number, bit by bit. With any
other scale one value in 100,000 lies so near the middle of two steps that they round it apart, and a deep network makes
many steps of that one.
"""

from __future__ import annotations

import operator
from collections import Counter
from typing import Any

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

from .scales import on_grid, rounded_up

aten = torch.ops.aten


class TrainingFakeQuantize(FakeQuantize):
    """Watches the range of its values in training only: what is validated on must not move the scales.

    Once it no longer watches, its scale is the one it works with, whatever its neighbours or an older rule would give.
    """

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        if int(self.observer_enabled[0]):
            return super().calculate_qparams()
        return self.get_buffer("scale"), self.get_buffer("zero_point")

    def forward(self, X: Tensor) -> Tensor:
        watches = int(self.observer_enabled[0])
        if self.training or not watches:
            return super().forward(X)
        self.disable_observer()
        try:
            return super().forward(X)
        finally:
            self.enable_observer()


class RangeOfAll(MovingAverageMinMaxObserver):
    """Moving average of the range of all tensors that share one scale.

    A map and its maximum, or the parts of a concatenation: averaged one after the other, as torch's own observer does,
    the widest of them would be clipped.

    Attributes:
        sites: tensors that come in each forward pass. summands: the fake quantisers of what is added up to a tensor
            of this scale. `know_neighbours` sets both.
    """

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.sites, self._come, self._first = 1, 0, False
        self._range: list[Tensor] = []
        self.summands: list[FakeQuantize] = []

    def forward(self, x_orig: Tensor) -> Tensor:
        now = list(torch.aminmax(x_orig.detach().to(self.min_val.dtype)))
        if self._come == 0:
            self._first = not torch.isfinite(self.min_val)
            self._range = now
        self._range = [torch.minimum(self._range[0], now[0]), torch.maximum(self._range[1], now[1])]
        self._come = (self._come + 1) % self.sites
        if self._first or self._come == 0:  # in the very first pass the range grows with each tensor
            share = 1.0 if self._first else self.averaging_constant
            for kept, new in zip((self.min_val, self.max_val), self._range, strict=True):
                kept.copy_(new if share == 1 else kept + share * (new - kept))
        return x_orig

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        scale, _ = super().calculate_qparams()
        return on_grid(scale, self.min_val, [summand.scale for summand in self.summands])


class FewBitsOfScale(MovingAveragePerChannelMinMaxObserver):
    """Range of each output channel of a weight, as a scale of four significant bits."""

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        scale, zero_point = super().calculate_qparams()
        return rounded_up(scale, 4), zero_point


def know_neighbours(graph: GraphModule) -> None:
    """Tell every observer of a prepared graph how many tensors share its scale, and which are added up to them."""
    called = [node for node in graph.graph.nodes if node.op == "call_module"]
    modules = {node: graph.get_submodule(str(node.target)) for node in called}
    sites = Counter(modules.values())  # one that several share has a name for each of them
    for node, module in modules.items():
        observer = getattr(module, "activation_post_process", None)
        if isinstance(observer, RangeOfAll):
            observer.sites = sites[module]
            summands = [modules.get(summand) for summand in _summands(node.args[0])]
            observer.summands += [one for one in summands if isinstance(one, FakeQuantize) and one is not module]


def _summands(node: Node) -> list[Node]:
    """What is added up to the value of a node, or to the one that it clips."""
    if node.target in CLIPPED:
        node = node.all_input_nodes[0]
    return node.all_input_nodes if node.target in ADDITIONS else []


ACTIVATION = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_affine,
    observer_or_fake_quant_ctr=TrainingFakeQuantize.with_args(observer=RangeOfAll, eps=2**-12, averaging_constant=0.05),
)
WEIGHT = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-127,
    quant_max=127,
    qscheme=torch.per_channel_symmetric,
    ch_axis=0,
    observer_or_fake_quant_ctr=FakeQuantize.with_args(observer=FewBitsOfScale, eps=2**-12, averaging_constant=1.0),
)
# A sigmoid lives in 0..1: every integer runtime fixes its output at scale 1/256, so training does too.
SIGMOID = FixedQParamsQuantizationSpec(
    dtype=torch.int8, scale=1 / 256, zero_point=-128, quant_min=-128, quant_max=127, qscheme=torch.per_tensor_affine
)

WEIGHTED = {aten.conv2d.default, aten.conv1d.default, aten.linear.default}
CLIPPED = {aten.relu.default, aten.relu_.default, aten.hardtanh.default, aten.hardtanh_.default}
ADDITIONS = {aten.add.Tensor, aten.add_.Tensor}
TWO_INPUTS = ADDITIONS | {aten.mul.Tensor, aten.mul_.Tensor}
SUMS = WEIGHTED | TWO_INPUTS  # a ReLU behind one of these is one integer operation with it
ONE_INPUT = {
    aten.mean.dim,
    aten.sum.dim_IntList,
    aten.adaptive_avg_pool2d.default,
    aten.avg_pool2d.default,
    aten.upsample_bilinear2d.vec,
    aten.hardswish.default,
    aten.hardsigmoid.default,
    aten.softmax.int,
}
# These choose among values without changing them: output and inputs share one scale.
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
    aten.amax.default,
    aten.expand.default,
    aten.dropout.default,
    aten.pad.default,
    aten.upsample_nearest2d.vec,
    operator.getitem,
}
OWN_STATISTICS = {aten.instance_norm.default, aten.layer_norm.default, aten.group_norm.default}
JOINING = {aten.cat.default, aten.maximum.default}  # the same with several inputs
PARTING = {aten.chunk.default, aten.split.Tensor, aten.split_with_sizes.default}  # and several outputs, each a getitem


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
    inputs = node.all_input_nodes
    if op in WEIGHTED:
        _mark(node, {inputs[0]: _as_made(inputs[0]), inputs[1]: WEIGHT}, output)
    elif op in TWO_INPUTS and not _in_float(node):
        _mark(node, {arg: _as_made(arg) for arg in inputs if is_activation(arg)}, output)
    elif op in ONE_INPUT:
        _mark(node, {inputs[0]: _as_made(inputs[0])}, output)
    elif op in CLIPPED:
        source = inputs[0]
        fused = source.target in SUMS and len(source.users) == 1
        _mark(node, {} if fused else {source: _as_made(source)}, ACTIVATION)
    elif op == aten.sigmoid.default:
        _mark(node, {inputs[0]: _as_made(inputs[0])}, SIGMOID)
    elif op in JOINING:
        first, *others = inputs
        shared = SharedQuantizationSpec((first, node))
        _mark(node, {first: ACTIVATION, **dict.fromkeys(others, shared)}, shared)
    elif op in PARTING:
        _mark(node, {inputs[0]: _as_made(inputs[0])}, None)
    elif op == operator.getitem:
        if inputs[0].target in PARTING:
            _mark(node, {}, SharedQuantizationSpec((inputs[0].all_input_nodes[0], inputs[0])))
    elif op in MOVING and is_activation(inputs[0]) and _keeps_zero(node):
        _mark(node, {inputs[0]: _as_made(inputs[0])}, SharedQuantizationSpec((inputs[0], node)))


def _in_float(node: Node) -> bool:
    """Whether it is of a layer that stays float: a norm by the clip's own statistics and the numbers that follow it.

    Such a layer is rounded once, behind its last operation.
    """
    if node.target in OWN_STATISTICS:
        return True
    return node.target in TWO_INPUTS and any(_of_parameter(x) or _in_float(x) for x in node.all_input_nodes)


def _keeps_zero(node: Node) -> bool:
    """Whether it adds no values but 0, which every scale has."""
    return node.target != aten.pad.default or len(node.args) < 4 or not node.args[3]


def _as_made(node: Node) -> QuantizationSpec | FixedQParamsQuantizationSpec:
    """The spec that `node` comes with, so that it is quantised once.

    A value quantised twice in a row, to two scales, is one that runtimes merge, each in its own way: onnxruntime's
    answers then depend on whether it optimises.
    """
    return SIGMOID if _origin(node).target == aten.sigmoid.default else ACTIVATION


def _origin(node: Node) -> Node:
    """The node that made the values which `node` only moves."""
    while node.target in MOVING | PARTING:
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
    return not _of_parameter(node) and isinstance(value, Tensor) and value.is_floating_point()


def _of_parameter(node: Node) -> bool:
    return _origin(node).op == "get_attr"
