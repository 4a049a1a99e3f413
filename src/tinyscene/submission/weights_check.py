"""What lies in a weights file of a package: its tensors, read as plain values; nothing of a package is ever run."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .inference_2025 import GENERAL, RUNNING
from .years import DEVICES_2025

if TYPE_CHECKING:
    from torch import Tensor

MAX_WEIGHTS = 200_000_000  # bytes, packed or not; a network has 128,000


def weights_problems(content: bytes) -> list[str]:
    """What is wrong with a weights file; where torch is not installed, only whether it is a checkpoint at all."""
    return _read(content)[1]


def stored_tensors(content: bytes) -> dict[str, Tensor]:
    """The tensors of a checkpoint by their dotted names; none if it cannot be read, or torch is not installed."""
    return _read(content)[0]


def counted(tensors: Mapping[str, Tensor], left_out: Collection[str] = ()) -> dict[str, tuple[int, int]]:
    """(numbers, bytes) of the parameters of each device's network, "general" for every other device, or of all
    together under "" where the file is not kept by device. `left_out`: names of buffers, which no rule counts."""
    found: dict[str, tuple[int, int]] = {}
    first = {name.partition(".")[0] for name in tensors}
    by_device = first <= {GENERAL, *DEVICES_2025} and (GENERAL in first or first >= set(DEVICES_2025))
    for name, tensor in tensors.items():
        device, _, own = name.partition(".") if by_device else ("", "", name)
        if own.rpartition(".")[2] in RUNNING or own in left_out:
            continue
        numbers, size = found.get(device, (0, 0))
        found[device] = (numbers + tensor.numel(), size + tensor.numel() * tensor.element_size())
    return found


def same_tensors(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two checkpoints hold the same numbers under the same names."""
    import torch

    return one.keys() == other.keys() and all(
        tensor.dtype == other[name].dtype and torch.equal(tensor, other[name]) for name, tensor in one.items()
    )


def _read(content: bytes) -> tuple[dict[str, Tensor], list[str]]:
    if len(content) > MAX_WEIGHTS:
        return {}, [f"more than {MAX_WEIGHTS:,} bytes; send the networks' weights alone"]
    stream = io.BytesIO(content)
    if zipfile.is_zipfile(stream):
        try:
            with zipfile.ZipFile(stream) as archive:
                entries = archive.infolist()
        except Exception as error:  # a zip may be broken in many ways
            return {}, [f"no PyTorch checkpoint: its zip is broken ({type(error).__name__})"]
        if sum(entry.file_size for entry in entries) > MAX_WEIGHTS:
            return {}, [f"more than {MAX_WEIGHTS:,} bytes unpacked; send the networks' weights alone"]
        if any(entry.filename.endswith("constants.pkl") for entry in entries):
            return {}, ["a TorchScript program, which runs code; save the state_dict instead: torch.save(...)"]
        if find_spec("torch") is None:
            good = any(entry.filename.endswith("data.pkl") for entry in entries)
            return {}, [] if good else ["no PyTorch checkpoint"]
    elif find_spec("torch") is None:
        return {}, ["no PyTorch checkpoint"]
    return _loaded(io.BytesIO(content))


def _loaded(stream: io.BytesIO) -> tuple[dict[str, Tensor], list[str]]:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's own words end in the advice to load it unsafely
        return {}, [
            "no PyTorch checkpoint of tensors and plain values (it is cut, something else, or holds Python objects: "
            f"{type(error).__name__}); write it with torch.save(network.state_dict(), ...)"
        ]
    tensors = dict(_tensors(content))
    if not tensors:
        return {}, [f"no tensor is in it, a {type(content).__name__} is; save the state_dict of the network"]
    sparse = [name for name, tensor in tensors.items() if not _is_plain(tensor)]
    if sparse:
        return {}, [f"{sparse[0]} is a sparse tensor; the official script counts plain ones: save it as to_dense()"]
    hollow = [
        name
        for name, tensor in tensors.items()
        if tensor.device.type != "cpu" or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()
    ]
    if hollow:
        return {}, [f"{hollow[0]} has a shape but not its numbers; save a copy of it: tensor.contiguous().clone()"]
    wild = [name for name, tensor in tensors.items() if not _finite(tensor)]
    if wild:
        return {}, [f"{wild[0]} holds NaN or infinity; did the training diverge?"]
    return tensors, []


def _is_plain(tensor: Tensor) -> bool:
    import torch

    return tensor.layout is torch.strided


def _finite(tensor: Tensor) -> bool:
    """Whether every number of it is; float types of a byte have no test of their own."""
    if not tensor.is_floating_point():
        return True
    return bool((tensor if tensor.element_size() > 1 else tensor.float()).isfinite().all())


def _tensors(content: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor inside nested dicts and lists, which may hold one another."""
    import torch

    waiting, seen = [("", content)], set()
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            waiting += [(f"{name}.{key}" if name else str(key), item) for key, item in items]
