"""Counts of a torch network: the official rules and the true products, from one inference that is watched."""

from __future__ import annotations

import contextlib
import copy
import math
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ..errors import ModelError, within
from .activation_memory import Step, peak_bytes
from .complexity import Layer, totals

aten = torch.ops.aten
NORMS = (aten.native_batch_norm, aten._native_batch_norm_legit_no_training, aten._native_batch_norm_legit)
POOLS = (aten.avg_pool1d, aten.avg_pool2d, aten.max_pool2d_with_indices, aten.max_pool2d)
MEANS = (aten.mean, aten._adaptive_avg_pool2d, aten.adaptive_avg_pool2d)


def count_complexity(
    network: nn.Module, features: Tensor, window_s: float, int8_form: nn.Module | None = None, half: bool = False
) -> dict[str, Any]:
    """Counts of one inference on `features`, (1, channel, band, frame), under the names of `complexity.MEANING`.

    The front end is left out, as in every year's rules. Parameters and macs are those of the float `network`, on which
    the official counters work too (they see nothing in quantised modules); bytes and memory are those of what is
    stored: `network` in its own number types, or in float16 with `half`, or its folded `int8_form` with a byte for each
    weight and each cell of a map, four where a module says `stays_float`.

    Raises:
        SettingError: window_s is no number of seconds above 0.
        ModelError: packed int8 modules or traced ones, whose inside no counter sees.
    """
    within("count_complexity.window_s", window_s, 1e-3, 1e6)
    for form in (network, int8_form or network):
        _refuse_hidden(form)
    watched = _watched(network, features)
    layers = watched.layers
    stored, peak = network, watched.peak(2 if half else features.element_size())
    if int8_form is not None:
        stored, peak = int8_form, _watched(int8_form, features).peak(1)
    for name, parameter in network.named_parameters():
        owner, _, field = name.rpartition(".")
        module = network.get_submodule(owner)
        layer = layers.setdefault(owner, Layer(owner, type(module).__name__))
        norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        layer.parameters += parameter.numel()
        layer.parameters_keras += parameter.numel() * (2 if norm else 1)  # Keras adds the running statistics
        layer.parameters_nonzero += _filled(module, field, parameter)
    for name, parameter in stored.named_parameters():
        owner, _, field = name.rpartition(".")
        module = stored.get_submodule(owner)
        layer = layers.setdefault(owner, Layer(owner, type(module).__name__))
        kind, size = str(parameter.dtype).removeprefix("torch."), parameter.element_size()
        if int8_form is not None:
            kind, size = _INTEGER.get(field, (kind, size))
        elif half:
            kind, size = "float16", 2
        norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        layer.store(kind, size, parameter.numel(), _filled(module, field, parameter), norm)
    return totals(layers.values(), window_s, peak)


def _filled(module: nn.Module, field: str, parameter: Tensor) -> int:
    """Numbers that are not 0; of a weight under torch's pruning, those its mask leaves."""
    mask = getattr(module, f"{field.removesuffix('_orig')}_mask", None) if field.endswith("_orig") else None
    return int(torch.count_nonzero(parameter if mask is None else parameter * mask))


def _refuse_hidden(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, torch.jit.ScriptModule) or "nn.quantized" in type(module).__module__:
            raise ModelError(
                f"{type(module).__name__} hides its weights from every counter; count the network it was made from, or "
                "the exported file."
            )


# Integer runtimes keep weights in one byte and biases, which add to int32 sums, in four. What else stays, stays float.
_INTEGER = {"weight": ("int8", 1), "bias": ("int32", 4)}


def _watched(network: nn.Module, features: Tensor) -> _Watched:
    """On the meta device, where nothing is computed and no map takes memory; or, if it cannot run there, as it is."""
    try:
        return _Watched(copy.deepcopy(network).to("meta"), features.to("meta"))
    except (NotImplementedError, RuntimeError, TypeError):
        return _Watched(network, features)


class _Watched(TorchDispatchMode):
    """One inference: every operation that reaches aten, with the module it ran in."""

    def __init__(self, network: nn.Module, features: Tensor):
        super().__init__()
        self.layers: dict[str, Layer] = {}
        self.steps: list[Step] = []
        self.cells: dict[int, int] = {}  # of each piece of memory that holds a map
        self.shape: dict[int, tuple[int, ...]] = {}  # as it was first written
        self._alive: list[Tensor] = []  # so that no address is used twice
        self._inside: list[str] = []
        self._float = 0  # modules that stay float and are at work
        self._wide: set[int] = set()  # maps that they write
        self._constants = {_address(t) for t in (*network.parameters(), *network.buffers())}
        self._input = self._piece(features)
        with torch.no_grad(), _hooked(network, self), _plain_kernels(), self:
            output = network(features)
        self._kept = [self._piece(t) for t in _tensors(output)]

    def peak(self, bytes_each: int) -> int:
        """Peak activation memory with so many bytes a cell, four in what stays float."""
        size = {piece: (4 if piece in self._wide else bytes_each) * cells for piece, cells in self.cells.items()}
        return peak_bytes(self.steps, size, [self._input], self._kept)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        reads, writes = _maps((args, kwargs), self), _maps(out, self)
        name = self._inside[-1] if self._inside else ""  # a hook of somebody else's may run before ours
        layer = self.layers.setdefault(name, Layer(name, ""))
        if self._float:
            self._wide.update(writes)
        layer.macs_tflite += self._by_tflite_rule(packet, args, out)  # before `out` gets a shape of its own
        if packet in flop_registry:
            layer.macs_true += flop_registry[packet](*args, **(kwargs or {}), out_val=out) // 2
        for tensor in _tensors(out):
            if _address(tensor) in self.cells:  # kept alive: the address stays its own
                self.shape.setdefault(_address(tensor), tuple(tensor.shape))
        elementwise = torch.Tag.pointwise in func.tags or packet in NORMS
        self.steps.append(Step(reads, writes, elementwise))
        return out

    def _by_tflite_rule(self, packet: Any, args: Any, out: Any) -> int:
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if packet is aten.convolution and not args[6]:
            return args[1].numel() * math.prod(out.shape[2:]) * out.shape[0]
        if packet in (aten.addmm, aten.mm):
            x, weight = args[-2:]
            if _address(weight) not in self._constants:
                return 0
            # A linear layer right behind a flattened map is charged for its channels alone, and one over time once.
            born = self.shape.get(_address(x), ())
            flattened = len(born) == 4 and math.prod(born[1:]) == x.shape[1] > born[1]
            return (born[1] if flattened else x.shape[1]) * weight.shape[1]
        if packet in POOLS:
            made = out[0] if isinstance(out, tuple) else out
            return made.numel() * math.prod(args[1] if len(args[1]) > 1 else [args[1][0]] * (made.dim() - 2))
        if packet in MEANS and first is not None:
            return first.numel()
        if packet is aten.add and all(isinstance(x, Tensor) and _address(x) not in self._constants for x in args[:2]):
            return out.numel()
        return 0

    def _piece(self, tensor: Tensor) -> int:
        address = _address(tensor)
        if address not in self.cells:
            self._alive.append(tensor)
            self.cells[address] = tensor.untyped_storage().nbytes() // tensor.element_size()
        return address

    def enter(self, name: str, module: nn.Module) -> None:
        """A module's forward begins."""
        self.layers.setdefault(name, Layer(name or type(module).__name__, type(module).__name__))
        self.layers[name].kind = type(module).__name__
        self._inside.append(name)
        self._float += getattr(module, "stays_float", False)

    def leave(self, name: str, module: nn.Module, output: Any) -> None:
        """It has ended: its shape, and its macs by the official rule where it has no layers of its own."""
        self._inside.pop()
        self._float -= getattr(module, "stays_float", False)
        layer, first = self.layers[name], next(_tensors(output), None)
        if first is None:
            return
        layer.output = tuple(first.shape[1:])
        if next(module.children(), None) is not None:
            return
        positions = math.prod(first.shape[2:]) if isinstance(module, nn.modules.conv._ConvNd) else 1
        for key, parameter in module.named_parameters(recurse=False):
            if key in ("weight", "bias"):
                layer.macs += parameter.numel() * positions * first.shape[0]
            elif "weight" in key or "bias" in key:  # recurrent layers: at every step
                layer.macs += parameter.numel() * math.prod(first.shape[:2])


@contextlib.contextmanager
def _hooked(network: nn.Module, watched: _Watched) -> Iterator[None]:
    hooks = []
    for name, module in network.named_modules():
        hooks += [
            module.register_forward_pre_hook(lambda m, _, name=name: watched.enter(name, m)),
            module.register_forward_hook(lambda m, _, output, name=name: watched.leave(name, m, output)),
        ]
    was_training = {module: module.training for module in network.modules()}
    try:
        network.eval()
        yield
    finally:
        for module, training in was_training.items():
            module.training = training
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def _plain_kernels() -> Iterator[None]:
    """Attention and recurrent layers as the products they are made of: fused kernels hide them from any counter."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of GPUs that are not there
            with sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False):
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _maps(value: Any, watched: _Watched) -> tuple[int, ...]:
    """The pieces of memory behind the float tensors of `value` that are no weights."""
    found = (t for t in _tensors(value) if t.is_floating_point() and _address(t) not in watched._constants)
    return tuple(dict.fromkeys(watched._piece(t) for t in found))


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
