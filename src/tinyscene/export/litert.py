"""Writes a LiteRT file (.tflite) for microcontrollers and phones: features in, logits out, batch 1, int8 throughout.

It gives logits, not probabilities: int8 steps of a softmax are 1/256, too coarse for a log loss, and a device that
takes the largest needs none. The card beside it says how logits become probabilities.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from ..errors import missing_extra
from ..runtime.decision import Fusion
from ..runtime.litert_graph import LitertTensor
from ..runtime.litert_model import LitertModel
from ..runtime.model_file import ModelCard
from ..runtime.quiet import quiet
from .beside import Opened, failed, write_proven
from .model_file import Export
from .own_form import copied, pools_as_sums, unshared


def write_litert(export: Export, path: Path, waveforms: Tensor) -> Path:
    """Write FILE.tflite, FILE.tflite.json and FILE.labels.txt and return the first's path.

    `waveforms` (1 or more, window_samples) are what it is proven on. A float16 network's weights are stored in 16
    bits and widened when it starts.

    Raises:
        MissingExtraError: litert_torch or ai_edge_litert is not installed.
        ModelError: the network cannot be converted, or the file's answers on `waveforms` differ from it; nothing is
            written.
        OutputError: the folder cannot be written; nothing is left behind.
    """

    def opened(data: bytes, card: ModelCard, fusion: Fusion, features: Tensor, logits: Tensor) -> Opened:
        model = LitertModel(path.name, data, card, fusion)
        return Opened(model, _told(model.input), _told(model.output), model.output.scale)

    labels = {path.with_suffix(".labels.txt"): "".join(f"{label}\n" for label in export.labels)}
    return write_proven(export, path, waveforms, _converted, opened, labels)


def _told(tensor: LitertTensor) -> dict[str, Any]:
    return {
        "shape": list(tensor.shape),
        "type": tensor.kind.lower(),
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
    }


def _converted(export: Export, example: Tensor) -> bytes:
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the converter's own imports
            import litert_torch  # type: ignore[import-not-found]
            from litert_torch.quantize.pt2e_quantizer import (  # type: ignore[import-not-found]
                PT2EQuantizer,
                get_symmetric_quantization_config,
            )
            from litert_torch.quantize.quant_config import QuantConfig  # type: ignore[import-not-found]
    except ImportError as error:
        raise missing_extra("writing a .tflite file", "tflite", error.name) from None
    network, how = export.network, None
    if export.precision == "int8":
        assert isinstance(network, GraphModule)
        network = unfolded(pools_as_sums(unshared(network)))
        scheme = get_symmetric_quantization_config(is_per_channel=True, is_qat=True)
        how = QuantConfig(pt2e_quantizer=PT2EQuantizer().set_global(scheme))  # says that scales are in the graph
    shown = litert_torch.config.show_progress
    try:
        litert_torch.config.show_progress = False
        with quiet(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")
            made = Path(folder) / "network.tflite"
            litert_torch.convert(_Named(network).eval(), sample_kwargs={"features": example}, quant_config=how).export(
                str(made)
            )
            data = made.read_bytes()
            return _halved(data) if export.precision == "float16" else data
    except Exception as error:  # a compiler's errors share no class
        raise failed(export, "LiteRT", error) from None
    finally:
        litert_torch.config.show_progress = shown


class _Named(nn.Module):
    """The file's input and output get these names."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        return {"logits": self.network(features)}


def unfolded(graph: GraphModule) -> GraphModule:
    """A copy of a converted int8 network with float weights that are quantised in the graph: the form LiteRT takes.

    Its compiler does not accept weights that are int8 already. Each weight is a whole number of steps, so that
    quantising it again gives the same steps.
    """
    ops = torch.ops.quantized_decomposed
    quantise = {
        ops.dequantize_per_channel.default: ops.quantize_per_channel.default,
        ops.dequantize_per_tensor.default: ops.quantize_per_tensor.default,
    }
    result = copied(graph)
    held = {**dict(result.named_parameters()), **dict(result.named_buffers())}
    for node in list(result.graph.nodes):
        if node.target not in quantise or not isinstance(node.args[0], Node) or node.args[0].op != "get_attr":
            continue
        values = [held[str(arg.target)] if isinstance(arg, Node) else arg for arg in node.args]
        name = f"{node.name}_weight"
        result.register_buffer(name, node.target(*values).detach())
        with result.graph.inserting_before(node):
            weight = result.graph.get_attr(name)
            steps = result.graph.call_function(quantise[node.target], (weight, *node.args[1:]))
        node.update_arg(0, steps)
    result.graph.eliminate_dead_code()
    result.recompile()
    return result


def _halved(data: bytes) -> bytes:
    """The same float network with its weights in 16 bits."""
    from ai_edge_quantizer import qtyping, quantizer, recipe_manager  # type: ignore[import-not-found]

    recipe = recipe_manager.RecipeManager()
    recipe.add_quantization_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
            compute_precision=qtyping.ComputePrecision.FLOAT,
        ),
        algorithm_key="float_casting",
    )
    made = quantizer.Quantizer(data, recipe.get_quantization_recipe()).quantize().quantized_model
    assert made is not None
    return bytes(made)
