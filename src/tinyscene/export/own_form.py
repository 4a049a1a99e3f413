"""Int8 graphs as the compilers of LiteRT and ExecuTorch take them right: the same steps, said in another way."""

from __future__ import annotations

import copy
import math
import warnings

import torch
from torch.fx import GraphModule, Node

aten, steps = torch.ops.aten, torch.ops.quantized_decomposed
WITH_BIAS = (aten.conv2d.default, aten.conv1d.default, aten.linear.default)
MOST_TAPS = 64  # of a pool that becomes a convolution


def copied(graph: GraphModule) -> GraphModule:
    """A copy that can be changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own copying of its own trees
        return copy.deepcopy(graph)


def unshared(graph: GraphModule) -> GraphModule:
    """A copy of a converted int8 network in which no two operations read the same dequantised map or the same bias.

    Of a map that a layer reads channel by channel and another in rows (a norm and the sum around it), both compilers
    turn the one node round for all its readers, and fail. A bias becomes int32 in units of input scale x weight scale:
    ExecuTorch does that once, so that a layer that is used twice, on two scales, would add the wrong one.
    """
    result = copied(graph)
    for node in list(result.graph.nodes):
        for reader in list(node.users)[1:]:
            if node.target == steps.dequantize_per_tensor.default:
                with result.graph.inserting_before(reader):
                    reader.replace_input_with(node, result.graph.node_copy(node))
            elif node.op == "get_attr" and reader.target in WITH_BIAS and reader.args[2:3] == (node,):
                name = f"{node.name}_of_{reader.name}"
                result.register_buffer(name, result.get_parameter(str(node.target)).detach().clone())
                with result.graph.inserting_before(reader):
                    reader.update_arg(2, result.graph.get_attr(name))
    result.recompile()
    return result


def pools_as_sums(graph: GraphModule) -> GraphModule:
    """A copy of a converted int8 network whose average pools are means, of a whole map, or convolutions.

    LiteRT's average pool rounds to the scale of its input, halves away from 0, and then once more to its output's: in
    four values of ten by a step from what the network was trained with. Its sums round once, halves to even. Each tap
    is 64 steps: kernels that round twice, by a half and by a power of 2, need room for the first.
    """
    result = copied(graph)
    for node in list(result.graph.nodes):
        if node.target != aten.avg_pool2d.default or not _is_plain(node):
            continue
        x, kernel = node.args[0], _two(node.args[1])
        shape = x.args[0].args[0].meta["val"].shape  # of what was quantised; the steps themselves tell none
        stride, padding = (_two(setting) for setting in (*node.args[2:4], *([], 0)[len(node.args[2:4]) :]))
        taps = math.prod(kernel)
        with result.graph.inserting_before(node):
            if kernel == tuple(shape[2:]) and not any(padding):
                made = result.graph.call_function(aten.mean.dim, (x, [2, 3], True))
            elif taps <= MOST_TAPS:
                name, scale = f"{node.name}_taps", 1 / (64 * taps)
                result.register_buffer(name, torch.full((shape[1], 1, *kernel), 64, dtype=torch.int8))
                weight = result.graph.call_function(
                    steps.dequantize_per_tensor.default,
                    (result.graph.get_attr(name), scale, 0, -127, 127, torch.int8),
                )
                settings = (x, weight, None, list(stride or kernel), list(padding), [1, 1], int(shape[1]))
                made = result.graph.call_function(aten.conv2d.default, settings)
            else:
                continue
        made.meta = dict(node.meta)
        node.replace_all_uses_with(made)
        result.graph.erase_node(node)
    result.recompile()
    return result


def _is_plain(pool: Node) -> bool:
    """Whether it is int8, and a window's sum by the number of its cells, those in the padding too."""
    of_steps = pool.all_input_nodes[0].target == steps.dequantize_per_tensor.default
    return of_steps and tuple(pool.args[4:]) in ((), (False,), (False, True), (False, True, None))


def _two(sizes: int | list[int]) -> tuple[int, ...]:
    """A setting of an operation for both axes; () for one that is left out."""
    each = [sizes] if isinstance(sizes, int) else list(sizes)
    return tuple(each * 2 if len(each) == 1 else each)
