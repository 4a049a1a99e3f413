"""What is counted of a model, layer by layer, and how layers and ensembles add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

MEANING = {
    "parameters": "trainable and frozen parameters, batch norm 2 a channel (torch's sum of numel)",
    "parameters_keras": 'the same with batch norm at 4 a channel, as Keras prints "Total params"',
    "parameters_nonzero": "those that are not 0",
    "bytes": "as stored; in int8 form 1 a weight and 4 a bias",
    "bytes_nonzero": "of those that are not 0 (rule of 2021)",
    "bytes_nonzero_2020": "of those that are not 0, batch norm left out (rule of 2020)",
    "macs": "official rule of 2022 to 2025 for torch (NeSsi, torchinfo): a convolution's parameters, bias included, "
    "times its output positions; any other layer's parameters once; functional operations and attention nothing",
    "macs_per_s": "the same for each second of audio, windows side by side",
    "macs_true": "multiply-accumulates of every convolution and matrix product, functional ones, attention and linear "
    "layers over time included; biases, norms and activations left out",
    "macs_tflite": "official rule for TFLite files (NeSsi): weights of convolutions times positions, linear layers "
    "once, cells of each pooling window, additions of two maps; batch norm folded",
    "peak_activation_bytes": "most memory that maps take at one time, one operation after the other in the order of "
    "the graph; an element-wise operation writes over what nobody reads again",
}
ADDED = tuple(key for key in MEANING if key not in ("macs_per_s", "peak_activation_bytes"))


@dataclass
class Layer:
    """One layer's share. `name` is its place in the network, `output` its last output's shape without the batch."""

    name: str
    kind: str
    output: tuple[int, ...] = ()
    parameters: int = 0
    parameters_keras: int = 0
    parameters_nonzero: int = 0
    bytes_by_type: dict[str, int] = field(default_factory=dict)
    bytes_nonzero: int = 0
    bytes_nonzero_2020: int = 0
    macs: int = 0
    macs_true: int = 0
    macs_tflite: int = 0

    @property
    def bytes(self) -> int:
        """As stored."""
        return sum(self.bytes_by_type.values())

    def store(self, number_type: str, size: int, n: int, nonzero: int, norm: bool = False) -> None:
        """Add `n` numbers of `size` bytes each."""
        if n:
            self.bytes_by_type[number_type] = self.bytes_by_type.get(number_type, 0) + size * n
        self.bytes_nonzero += size * nonzero
        self.bytes_nonzero_2020 += 0 if norm else size * nonzero


def totals(layers: Iterable[Layer], window_s: float, peak_activation_bytes: int) -> dict[str, Any]:
    """The sums under the names of MEANING, bytes_by_type, and "layers": a row of the same counts for each layer."""
    rows = [
        asdict(layer) | {"bytes": layer.bytes}
        for layer in layers
        if layer.parameters or layer.bytes or layer.macs or layer.macs_true or layer.macs_tflite
    ]
    counts: dict[str, Any] = {key: sum(row[key] for row in rows) for key in ADDED}
    return counts | {
        "bytes_by_type": _by_type(rows),
        "macs_per_s": round(counts["macs"] / window_s),
        "peak_activation_bytes": peak_activation_bytes,
        "layers": rows,
    }


def ensemble(members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of models that decide together: sums; of peak activation memory the largest, as one runs after another."""
    counts: dict[str, Any] = {key: sum(member[key] for member in members) for key in (*ADDED, "macs_per_s")}
    return counts | {
        "bytes_by_type": _by_type(members),
        "peak_activation_bytes": max(member["peak_activation_bytes"] for member in members),
    }


def without_layers(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The totals alone, as a model file carries them."""
    return {key: value for key, value in counts.items() if key != "layers"}


def blocks(layers: Sequence[Mapping[str, Any]], at_most: int) -> list[dict[str, Any]]:
    """Layers put together by the beginning of their names, as deep as `at_most` rows allow, in their order.

    Each row: name, macs, macs_true, bytes, parameters.
    """
    layers = [row for row in layers if row["macs"] or row["macs_true"] or row["bytes"]]
    depth = max((row["name"].count(".") + 1 for row in layers), default=1)
    while depth > 1 and len({_trunk(row["name"], depth) for row in layers}) > at_most:
        depth -= 1
    found: dict[str, dict[str, Any]] = {}
    for row in layers:
        name = _trunk(row["name"], depth)
        block = found.setdefault(name, {"name": name, "macs": 0, "macs_true": 0, "bytes": 0, "parameters": 0})
        for key in ("macs", "macs_true", "bytes", "parameters"):
            block[key] += row[key]
    return list(found.values())


def _trunk(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:depth])


def _by_type(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        for number_type, size in row["bytes_by_type"].items():
            found[number_type] = found.get(number_type, 0) + size
    return found
