"""What a network would take on a small board: an estimate from its multiply-accumulates, the assumption beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Board:
    """A class of boards. Cycles for each multiply-accumulate are an assumption, not a measurement of ours."""

    name: str
    clock_hz: int
    ram_bytes: int
    flash_bytes: int
    cycles_int8: float
    cycles_float: float


# Orders of magnitude of what vendors' kernels reach on whole networks: int8 with the SIMD instructions of the core
# (none on an M0+), float with its floating point unit (none on an M0+ either).
BOARDS = (
    Board("Cortex-M0+, 133 MHz", 133_000_000, 264 * 1024, 2048 * 1024, cycles_int8=10.0, cycles_float=80.0),
    Board("Cortex-M4F, 120 MHz", 120_000_000, 320 * 1024, 1024 * 1024, cycles_int8=4.0, cycles_float=8.0),
    Board("Cortex-M7, 480 MHz", 480_000_000, 1024 * 1024, 2048 * 1024, cycles_int8=2.0, cycles_float=4.0),
)


def estimate_boards(
    members: Sequence[tuple[Mapping[str, Any], float]], cycles_per_mac: float | None = None
) -> list[dict[str, Any]]:
    """A row for each class of BOARDS: seconds, share of real time, RAM and flash, and what was assumed.

    Keys: board, clock_hz, cycles_per_mac (of each member), seconds (a window of each), load (of real time, windows side
    by side), ram_bytes (maps of the network), ram_fits, flash_bytes (weights), flash_fits. The front end, the program
    and its stack come on top.
    members: (counts as `count_complexity` or `count_onnx` give them, seconds of audio in a window) of each network, one
    running after another; their true macs are taken.
    cycles_per_mac: what you measured on your board, instead of the assumption.
    """
    rows = []
    for board in BOARDS:
        cycles = [
            cycles_per_mac or (board.cycles_int8 if "int8" in counts["bytes_by_type"] else board.cycles_float)
            for counts, _ in members
        ]
        seconds = [own * counts["macs_true"] / board.clock_hz for own, (counts, _) in zip(cycles, members, strict=True)]
        ram = max(counts["peak_activation_bytes"] for counts, _ in members)
        flash = sum(counts["bytes"] for counts, _ in members)
        rows.append(
            {
                "board": board.name,
                "clock_hz": board.clock_hz,
                "cycles_per_mac": cycles,
                "seconds": sum(seconds),
                "load": sum(own / window_s for own, (_, window_s) in zip(seconds, members, strict=True)),
                "ram_bytes": ram,
                "ram_fits": ram <= board.ram_bytes,
                "flash_bytes": flash,
                "flash_fits": flash <= board.flash_bytes,
            }
        )
    return rows
