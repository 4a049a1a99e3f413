"""A network as onnxruntime computes it fastest: the same answers by way of other operators, when a file is opened.

int8 networks of tinyscene answer the same to the bit, float networks to the rounding of float32 where their maps are
finite. The file keeps the operators that its parameters and multiplications were counted of; what is not known here
stays as it is.
"""

from __future__ import annotations

import numpy as np

from .onnx_graph import Graph, Node

_WIDEST_GROUP = 8  # inputs; wider ones keep onnxruntime's own grouped convolution busy
_MOST_OUTPUTS = 128  # with more, the zeros that are multiplied take longer than the groups
_LARGEST_POOL = 16  # cells
_MOST_ADDED = 4 << 20  # bytes of new weights: a hostile file shares one weight among thousands of operators
_CONV = {"group", "pads", "strides", "dilations", "kernel_shape"}
_POOL = {"kernel_shape", "strides", "pads", "count_include_pad"}
_CELL_BY_CELL = {"Relu", "Sigmoid", "QuantizeLinear", "DequantizeLinear"}
_BLOCK = 16  # channels, as onnxruntime keeps them together: fewer make it pool and multiply number by number


def rewritten(data: bytes) -> bytes:
    """The model file `data`, which `network_check` has let through, made to run fast."""
    try:
        rewriting = _Rewriting(Graph(data))
    except (ValueError, EOFError):  # onnxruntime tells what is wrong with it
        return data
    return rewriting.graph.to_bytes() if rewriting.by_operator() else data


class _Rewriting:
    def __init__(self, graph: Graph):
        self.graph, self.room = graph, _MOST_ADDED
        self.makers: dict[str, Node] = {}
        self.readers: dict[str, list[Node]] = {}
        self.sums: dict[str, tuple[str, str, int, int]] = {}  # of `_groups_summed`: products, bias, outputs, inputs
        self.channels: dict[str, int | None] = {}
        for node in graph.nodes:
            self.makers |= dict.fromkeys(node.outputs, node)
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)

    def by_operator(self) -> bool:
        """Each operator made faster by itself, in order; whether any was."""
        rules = {"AveragePool": self._pool, "Conv": self._grouped, "Add": self._sum_of_two, "Mul": self._gate}
        nodes, changed = list[Node](), False
        for node in self.graph.nodes:
            rule = rules.get(node.operator)
            new = rule(node) if rule and node.inputs and len(node.outputs) == 1 else None
            nodes += new or [node]
            changed |= bool(new)
        self.graph.nodes = nodes
        return changed

    def _pool(self, node: Node) -> list[Node] | None:
        """A mean of a few cells is a convolution of each channel by itself, which onnxruntime computes in blocks."""
        settings, channels = self.graph.settings(node), self._channels(node.inputs[0])
        if settings is None or channels is None or not settings.keys() <= _POOL:
            return None
        kernel, pads = settings.get("kernel_shape", ()), settings.get("pads", ())
        if len(kernel) != 2 or min(kernel) < 1 or kernel[0] * kernel[1] > _LARGEST_POOL:
            return None
        if any(pads) and settings.get("count_include_pad") != (1,):
            return None
        cells, shape, before = kernel[0] * kernel[1], (channels, 1, *kernel), self.makers[node.inputs[0]]
        if 4 * channels * cells > self.room:
            return None
        settings = {key: settings[key] for key in ("strides", "pads") if key in settings} | {"group": (channels,)}
        if before.operator != "DequantizeLinear":
            if channels % _BLOCK == 0:
                return None
            mean = self._added(np.full(shape, 1 / cells, np.float32))
            return [Node("Conv", [node.inputs[0], mean], node.outputs, settings)]
        # Integers: a mean and a convolution round alike if no scale needs rounding and the middle is even.
        after = self.readers.get(node.outputs[0], [])
        exact = not cells & cells - 1 and all(self._is_binary(step) for step in (before, *after))
        if not exact or _operators(after) != {"QuantizeLinear"}:
            return None
        grid = np.ones(shape, np.int8), np.full(channels, 1 / cells, np.float32), np.zeros(channels, np.int8)
        step = self.graph.made("DequantizeLinear", [self._added(part) for part in grid], {"axis": (0,)})
        return [step, Node("Conv", [node.inputs[0], step.outputs[0]], node.outputs, settings)]

    def _grouped(self, node: Node) -> list[Node] | None:
        """onnxruntime computes groups one after the other, with a whole matrix product for a few inputs."""
        settings = self.graph.settings(node)
        if settings is None or not settings.keys() <= _CONV or len(settings.get("group", ())) != 1:
            return None
        (groups,), weights = settings["group"], self._weights(node)
        if weights is None:
            return None
        outs, ins, *kernel = weights.shape
        if not 1 < ins <= _WIDEST_GROUP or not 1 < groups <= outs <= _MOST_OUTPUTS or outs % groups:
            return None
        if weights.dtype != np.float32:
            given = self.makers.get(node.inputs[0])  # of floats, a zero times infinity would be heard in every group
            return self._ungrouped(node, weights, groups) if given and given.operator == "DequantizeLinear" else None
        if groups != outs:
            return None
        if weights.nbytes + 4 * outs * outs * ins > self.room:
            return None
        apart = self._added(weights.reshape(outs * ins, 1, *kernel))
        products = self.graph.made("Conv", [node.inputs[0], apart], {**settings, "group": (outs * ins,)})
        return [products, self._groups_summed(products.outputs[0], "".join(node.inputs[2:]), outs, ins, node)]

    def _ungrouped(self, node: Node, weights: np.ndarray, groups: int) -> list[Node] | None:
        """All inputs for each output, the weights of those that it does not see zeros: exact in integers."""
        outs, ins, *kernel = weights.shape
        if weights.nbytes * groups > self.room:
            return None
        whole = np.zeros((groups, outs // groups, groups, ins, *kernel), weights.dtype)
        whole[range(groups), :, range(groups)] = weights.reshape(groups, outs // groups, ins, *kernel)
        step, name = self.makers[node.inputs[1]], self._added(whole.reshape(outs, groups * ins, *kernel))
        again = self.graph.made("DequantizeLinear", [name, *step.inputs[1:]], self.graph.settings(step) or {})
        settings = {key: value for key, value in (self.graph.settings(node) or {}).items() if key != "group"}
        return [again, Node("Conv", [node.inputs[0], again.outputs[0], *node.inputs[2:]], node.outputs, settings)]

    def _groups_summed(self, products: str, bias: str, outs: int, ins: int, node: Node) -> Node:
        """What `node` gives, from the products of each channel by itself."""
        ones = self._added(np.repeat(np.eye(outs, dtype=np.float32), ins, axis=1)[..., None, None])
        self.sums[node.outputs[0]] = products, bias, outs, ins
        return Node("Conv", [products, ones, *([bias] if bias else [])], node.outputs, {})

    def _sum_of_two(self, node: Node) -> list[Node] | None:
        """Two grouped convolutions are added before their groups are summed: once for both."""
        if len(node.inputs) != 2:
            return None
        one, other = (self.sums.get(name) for name in node.inputs)
        if one is None or other is None or one[2:] != other[2:] or 4 * one[2] * one[2] * one[3] > self.room:
            return None
        new = [self.graph.made("Add", [one[0], other[0]], {})]
        biases = [bias for bias in (one[1], other[1]) if bias]
        if len(biases) == 2:
            new.append(self.graph.made("Add", biases, {}))
            biases = new[-1].outputs
        return [*new, self._groups_summed(new[0].outputs[0], "".join(biases), *one[2:], node)]

    def _gate(self, node: Node) -> list[Node] | None:
        """A quantised map times one number a channel: onnxruntime multiplies maps of one shape many times as fast."""
        steps = [self.makers.get(name) for name in node.inputs]
        if len(steps) != 2:
            return None
        for i, step in enumerate(steps):
            other = steps[1 - i]
            if step is None or other is None or _operators([step, other]) != {"DequantizeLinear"}:
                return None
            if len(step.inputs) != 3 or not other.inputs:
                return None
            maker = self.makers.get(step.inputs[0])
            scale = self.graph.constant(step.inputs[1])
            single = scale is not None and scale.size == 1 and (self._channels(node.inputs[1 - i]) or _BLOCK) < _BLOCK
            if maker is not None and maker.operator == "Unsqueeze" and single:
                shape = self.graph.made("Shape", other.inputs[:1], {})
                wide = self.graph.made("Expand", [step.inputs[0], shape.outputs[0]], {})
                again = self.graph.made("DequantizeLinear", [wide.outputs[0], *step.inputs[1:]], {})
                inputs = [again.outputs[0] if k == i else name for k, name in enumerate(node.inputs)]
                return [shape, wide, again, Node("Mul", inputs, node.outputs, {})]
        return None

    def _weights(self, node: Node) -> np.ndarray | None:
        """A two-dimensional convolution's constant weights: float32, or int8 on a grid of zero point 0."""
        if len(node.inputs) < 2:
            return None
        weights, step = self.graph.constant(node.inputs[1]), self.makers.get(node.inputs[1])
        if step is not None and step.operator == "DequantizeLinear" and len(step.inputs) == 3:
            scale, zero = self.graph.constant(step.inputs[1]), self.graph.constant(step.inputs[2])
            settings = self.graph.settings(step)
            fits = scale is not None and scale.dtype == np.float32 and zero is not None and not zero.any()
            by_output = settings == {"axis": (0,)} or (scale is not None and scale.size == 1 and settings is not None)
            weights = self.graph.constant(step.inputs[0]) if fits and by_output else None
        kind = np.int8 if step else np.float32
        return weights if weights is not None and weights.ndim == 4 and weights.dtype == kind and weights.size else None

    def _channels(self, name: str, far: int = 12) -> int | None:
        """Of a map (batch, channel, row, column), as the convolution tells that it comes from, cell by cell."""
        node = self.makers.get(name)
        if name not in self.channels and node is not None and far:
            if node.operator == "Conv":
                weights = self._weights(node)
                self.channels[name] = None if weights is None else len(weights)
            elif node.operator in _CELL_BY_CELL and node.inputs:
                self.channels[name] = self._channels(node.inputs[0], far - 1)
            elif node.operator in ("Add", "Mul"):
                sides = {self._channels(side, far - 1) for side in node.inputs}
                self.channels[name] = sides.pop() if len(sides) == 1 else None
        return self.channels.get(name)

    def _is_binary(self, step: Node) -> bool:
        """Whether its scale is a power of two and its zero point even, for all channels."""
        scale, zero = (self.graph.constant(name) for name in (step.inputs[1:] if len(step.inputs) == 3 else ["", ""]))
        if scale is None or zero is None or scale.dtype != np.float32 or scale.size != 1 or zero.size != 1:
            return False
        return bool(np.frexp(scale)[0].item() == 0.5 and zero.item() % 2 == 0)

    def _added(self, weights: np.ndarray) -> str:
        """The name of new weights, for which there is room."""
        self.room -= weights.nbytes
        return self.graph.add(weights)


def _operators(nodes: list[Node]) -> set[str]:
    return {node.operator for node in nodes}
