"""A run's steps side by side, from float on: how good, how large, how fast; and how far a year's limits are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..compress import converted, fold
from ..compress.float_layers import FloatLayer, float_layers
from ..errors import ModelError, SettingError
from ..evaluate import Predictions, check_limits, count_complexity, measure
from ..train import Stage, predict
from .exporting import stage_complexity
from .preparing import Prepared
from .recipe import base_of, stages_of
from .stages import probabilities, restore

FOLDED = "folded"
COUNTS = ("bytes", "bytes_nonzero", "bytes_nonzero_2020", "macs", "macs_per_s", "parameters", "parameters_nonzero")
WARM_UPS, RUNS = 5, 40
MARGIN = 0.98  # of a target that was estimated: biases and scales do not shrink as weights do
TRIES = 8


def weighed(prepared: Prepared, folder: Path, stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """A row for the float network that `stages` come from, for it with its batch norms folded, and for each of them.

    Keys: step, precision, n, accuracy, log_loss (of the run's test clips), the counts of COUNTS, and ms for a window
    on one thread by "onnxruntime" or "torch" (`ms_by`).
    """
    every = stages_of(prepared.system)
    first = base_of(every, stages[0])
    while first is not None and first.compresses:
        first = base_of(every, first)
    if first is None:
        raise ModelError(f"{folder}: {stages[0].name} comes from no training stage.")
    store, target = prepared.store(prepared.split.test, "windows"), prepared.dataset.target[prepared.split.test]
    example, decide, finish = prepared.example(), prepared.decide, prepared.front_end.finish

    def row(step: str, precision: str, said: np.ndarray, counts: dict[str, Any], ms: float, by: str) -> dict[str, Any]:
        figures = measure(Predictions(prepared.dataset.classes, said, target), n_bootstrap=1)
        return {
            "step": step,
            "precision": precision,
            **{key: figures[key] for key in ("n", "accuracy", "log_loss")},
            **{key: counts[key] for key in COUNTS},
            "ms": ms,
            "ms_by": by,
        }

    network = restore(prepared, folder, first)
    said = probabilities(prepared, folder, first, network, store, prepared.split.test)
    counts = stage_complexity(prepared, folder, first)
    rows = [row(first.name, first.precision, said, counts, _ms(network, example), "torch")]
    if not first.per_device:
        folded = fold(network)
        said = predict(folded, finish, decide, store, np.arange(len(store)))
        counts = count_complexity(folded, example[:1], prepared.system.task.window_s)
        rows.append(row(FOLDED, first.precision, said, counts, _ms_onnx(folded, decide, example), "onnxruntime"))
    for stage in stages:
        network = restore(prepared, folder, stage)
        said = probabilities(prepared, folder, stage, network, store, prepared.split.test)
        ready = converted(network) if stage.precision == "int8" else fold(network)  # type: ignore[arg-type]
        counts = stage_complexity(prepared, folder, stage)
        rows.append(row(stage.name, stage.precision, said, counts, _ms_onnx(ready, decide, example), "onnxruntime"))
    return rows


def left_float(prepared: Prepared, folder: Path, stage: Stage) -> list[FloatLayer]:
    """The layers of an int8 stage that stay float, and why."""
    return float_layers(converted(restore(prepared, folder, stage)))  # type: ignore[arg-type]


def held_against(year: str, counts: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of check_limits of one year: "dcase2023" or "2023".

    Raises:
        SettingError: a year without a rule.
    """
    digits = checked_year(year)
    return [row for row in check_limits(counts) if row["year"].startswith(digits)]


def checked_year(year: str) -> str:
    """ "dcase2023" -> "2023".

    Raises:
        SettingError: a year without a rule.
    """
    known = sorted({row["year"].split()[0] for row in check_limits({})})
    digits = year.lower().removeprefix("dcase")
    if digits not in known:
        raise SettingError(f"--limit takes {', '.join(f'dcase{name}' for name in known)}; '{year}' came.")
    return digits


def fitting_target(network: nn.Module, example: Tensor, window_s: float, year: str, precision: str) -> dict[str, int]:
    """target_parameters and target_macs with which CutChannels brings a float network within a year's limits once it
    is stored in `precision`; {} if it is within already.

    Raises:
        ModelError: it cannot be cut so far.
    """
    from ..compress.prune_channels import prune_channels

    def counted(network: nn.Module) -> dict[str, Any]:
        form = fold(network) if precision == "int8" else None
        return count_complexity(network, example[:1], window_s, form, half=precision == "float16")

    counts = whole = counted(network)
    targets: dict[str, int] = {}
    for _ in range(TRIES):
        over = [row for row in held_against(year, counts) if row["ok"] is False]
        if not over:
            return targets
        for row in over:
            if row["unit"].startswith("MACs"):
                targets["target_macs"] = int(row["limit"] * window_s)
                continue
            share = row["limit"] / row["value"]
            exact = row["unit"] == "parameters"
            now = targets.get("target_parameters", whole["parameters"])
            targets["target_parameters"] = row["limit"] if exact else int(now * share * MARGIN)
        cut = prune_channels(network, example, targets.get("target_parameters"), targets.get("target_macs"))
        counts = counted(cut.network)
    raise ModelError(f"no cut was found that keeps the limits of {year}; give --target-parameters yourself.")


@torch.inference_mode()
def _ms(network: Callable[[Tensor], Tensor], example: Tensor) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _median_ms(lambda: network(example[:1]))
    finally:
        torch.set_num_threads(threads)


def _ms_onnx(network: nn.Module, decide: nn.Module, example: Tensor) -> float:
    """Of the features file that export would write."""
    import onnxruntime

    from ..export import Deployed, slim, traced

    model = slim(traced(Deployed(network, decide).eval(), example, "features"))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    window = {"features": example[:1].numpy()}
    return _median_ms(lambda: session.run(["probabilities"], window))


def _median_ms(call: Callable[[], Any]) -> float:
    times = []
    for _ in range(WARM_UPS + RUNS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times[WARM_UPS:]))
