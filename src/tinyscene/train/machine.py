"""Where training runs and how it rounds."""

from __future__ import annotations

import ctypes
import os
import shutil
from dataclasses import dataclass

import torch

from ..errors import SettingError

ACCELERATORS = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "32-true", "bf16-mixed")


@dataclass(frozen=True)
class Machine:
    """Where a stage runs, how it rounds, and whether torch.compile makes its training step (never needed)."""

    accelerator: str = "auto"
    precision: str = "auto"
    compiled: bool = False

    def decided(self) -> Machine:
        """The same with "auto" decided: a CUDA GPU in mixed precision where there is one, else the CPU.

        Raises:
            SettingError: an unknown name, a machine that is not there, or no compiler where one is needed.
        """
        accelerator, precision = self.accelerator, self.precision
        if accelerator not in ACCELERATORS:
            raise SettingError(f"--accelerator takes {', '.join(ACCELERATORS)}; '{accelerator}' came.")
        if precision not in PRECISIONS:
            raise SettingError(f"--precision takes {', '.join(PRECISIONS)}; '{precision}' came.")
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        if accelerator == "auto":
            accelerator = "cuda" if there["cuda"] else "cpu"
        if not there[accelerator]:
            raise SettingError(f"--accelerator {accelerator}: torch finds none on this machine; take cpu or auto.")
        if precision == "auto":
            precision = "bf16-mixed" if accelerator == "cuda" else "32-true"
        if self.compiled and accelerator == "cpu":
            _check_compiler()
        return Machine(accelerator, precision, self.compiled)


def keep_memory() -> bool:
    """Tell the C library to keep freed memory instead of handing it back to the system; whether it listens (glibc).

    Large tensors come from fresh pages otherwise, and a training step of a small network on a CPU spends a quarter of
    its time having them zeroed (benchmarks/training_step.py).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    trim_threshold, mmap_max = -1, -4  # malloc.h
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, -1))  # no block of its own, nothing handed back


def _check_compiler() -> None:
    chosen = os.environ.get("CXX")  # torch takes no other then
    names = [chosen] if chosen else ["g++", "clang++", "c++"]
    if not any(shutil.which(name) for name in names):
        raise SettingError(
            f"--compile needs a C++ compiler and none of {', '.join(names)} is there. Install one, or train without "
            "--compile: the result is the same."
        )
