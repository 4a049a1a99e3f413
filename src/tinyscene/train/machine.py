"""Where training runs and how it rounds."""

from __future__ import annotations

import torch

from ..errors import SettingError

ACCELERATORS = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "32-true", "bf16-mixed")


def chosen_machine(accelerator: str, precision: str) -> tuple[str, str]:
    """(accelerator, precision) with "auto" decided: a CUDA GPU in mixed precision where there is one, else the CPU.

    Raises:
        SettingError: an unknown name, or a machine that is not there.
    """
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
    return accelerator, precision
