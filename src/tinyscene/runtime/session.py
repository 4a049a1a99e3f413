"""A network opened by onnxruntime, in memory that has an end: a model file decides what is asked for, not we."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache

import numpy as np
import onnxruntime

from ..errors import ModelError
from .network_check import Refused, check_network
from .onnx_bytes import CutShort, NotOnnx
from .rewrite import rewritten
from .vanishing import guarded

# What all networks of a process may hold together, weights and features in work: 1 GiB, or 256 MiB a core where there
# are more than four, since each core may have a batch in work. The published networks take 10 to 200 MB for one.
LARGEST_ARENA = max(1024, 256 * (os.cpu_count() or 1)) << 20
_LARGEST_FOLDED = 32 << 20  # bytes of what is computed once, when the session starts, outside the arena
_NO_ROOM = "Available memory"  # so onnxruntime tells of an arena that is full


class NoRoom(ModelError):
    """A network asked for more memory than it may have."""


class Session:
    """The network in `data`, of the model file `name`, on `threads` threads.

    Raises ModelError for what this runtime does not run, before onnxruntime sees it.
    """

    def __init__(self, name: str, data: bytes, threads: int = 1):
        self.name = name
        try:
            check_network(data)
            data = guarded(data)
        except Refused as why:
            raise ModelError(
                f"{name} is not run: {why}. Take models from those you trust, or export it again."
            ) from None
        except (CutShort, NotOnnx):
            raise ModelError(f"{name} is damaged: its network cannot be read. Copy or download it again.") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # every error comes as an exception; its warnings are nothing to act on
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting would drain a battery
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("optimization.constant_folding_max_output_size_in_bytes", str(_LARGEST_FOLDED))
        _limit_memory()
        try:
            self._session, fast = _opened(data, options)
            self.inputs = [(value.name, value.shape) for value in self._session.get_inputs()]
            self.outputs = {value.name: value.shape for value in self._session.get_outputs()}
        except Exception as error:  # onnxruntime's errors share no public class
            raise ModelError(
                f"{name} cannot be run by onnxruntime {onnxruntime.__version__} ({_reason(error)}). "
                "Upgrade onnxruntime or export the model again."
            ) from None

        self._as_it_came = (data, options) if fast else None

    def run(self, output: str, **inputs: np.ndarray) -> np.ndarray:
        """What the network makes of its inputs, by their names. ModelError when it cannot, NoRoom for memory."""
        try:
            (answer,) = self._session.run([output], inputs)
        except Exception as error:
            short = _NO_ROOM in str(error)
            if not short and self._went_back():
                return self.run(output, **inputs)
            raise (NoRoom if short else ModelError)(
                f"{self.name} cannot be run on {', '.join(f'{key} {x.shape}' for key, x in inputs.items())} "
                f"({_reason(error)}). Export the model again; if memory is short, use fewer workers."
            ) from None
        return np.asarray(answer)

    def _went_back(self) -> bool:
        """Whether the network as it came is asked from now on: onnxruntime's mean takes maps that the convolution in
        its place refuses, and where both refuse, what it says is of the file's own operator."""
        given, self._as_it_came = self._as_it_came, None
        with suppress(Exception):
            if given:
                self._session = _session(*given)
                return True
        return False


def _opened(data: bytes, options: onnxruntime.SessionOptions) -> tuple[onnxruntime.InferenceSession, bool]:
    """The network, and whether it was rewritten to run fast: not where onnxruntime takes it only as it came."""
    fast = rewritten(data)
    if fast is not data:
        with suppress(Exception):  # onnxruntime's errors share no public class
            return _session(fast, options), True
    return _session(data, options), False


def _session(data: bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


@cache
def _limit_memory() -> None:
    """One allocator for all sessions of this process, which refuses what goes beyond its limit."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    settings = {"max_mem": LARGEST_ARENA, "arena_extend_strategy": 1}  # 1: no more than is asked for
    try:
        onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(settings))
    except Exception:  # the program around us has an allocator of its own: it decides
        return


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]  # it quotes names of the file, which may hold anything
    return "".join(c if c.isprintable() else "?" for c in text)
