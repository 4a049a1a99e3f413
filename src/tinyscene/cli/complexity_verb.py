"""The verb that counts: parameters, bytes, multiply-accumulates, memory; limits of each year; layers; boards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ModelError, SettingError, within

Counts = dict[str, Any]
PRECISIONS = ("float32", "float16", "int8")
MARKS = {True: "pass", False: "OVER", None: "?"}
TOGETHER = "together"


def complexity(
    targets: Annotated[
        list[str],
        typer.Argument(help="Systems, run folders or model files; several are an ensemble.", show_default=False),
    ],
    frames: Annotated[int | None, typer.Option(min=1, help="What if: so many frames in the same window.")] = None,
    window: Annotated[float | None, typer.Option(min=1e-3, help="What if: seconds of audio in a window.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="What if: a system stored as float32, float16 or int8.", show_default="float32")
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Every layer, not blocks of them.")] = False,
    board: Annotated[bool, typer.Option("--board", help="Estimate seconds and memory on classes of boards.")] = False,
    cycles_per_mac: Annotated[
        float | None, typer.Option(min=1e-3, help="With --board: what you measured on yours.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw where MACs and bytes go (.png).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count parameters, bytes, MACs and memory as each year's rules do, and hold them against its limits."""
    _check_options(window, board, cycles_per_mac, picture)
    from ..evaluate import check_limits, ensemble, estimate_boards

    columns: dict[str, Counts] = {}
    members: list[tuple[Counts, float]] = []
    for target in targets:
        found, seconds = _counted(target, frames, window, precision)
        last = list(found)[-1]
        members.append((found[last], seconds))
        if len(targets) > 1:  # of a run its last stage; a made file and a run by their place, a system by its name
            found = {last if target == last.partition(",")[0] else target: found[last]}
        for name, counts in found.items():  # one system may decide twice
            columns[name if name not in columns else f"{name} ({len(columns) + 1})"] = counts
    last = list(columns)[-1]
    if len(targets) > 1:
        rows = [row | {"name": f"{name}.{row['name']}"} for name, own in columns.items() for row in own["layers"]]
        columns, last = {**columns, TOGETHER: ensemble(list(columns.values())) | {"layers": rows}}, TOGETHER
    subject = columns[last]
    limits = check_limits(subject)
    boards = estimate_boards(members, cycles_per_mac) if board else None
    if picture is not None:
        _draw(picture, ", ".join(targets) if last == TOGETHER else last, subject)
    if as_json:
        others = {"stages" if len(targets) == 1 else "members": columns} if len(columns) > 1 else {}
        whole = {**subject, "limits": limits, **others, **({} if boards is None else {"boards": boards})}
        print(json.dumps(whole, indent=1))
        return
    _print(columns, last, limits, layers)
    if len(targets) > 1:
        print("An ensemble is the sum of its members; of 2025, count each device's model by itself.")
    if boards is not None:
        _print_boards(boards)
    if picture is not None:
        print(f"\npicture: {picture}")


def _check_options(window: float | None, board: bool, cycles_per_mac: float | None, picture: Path | None) -> None:
    if picture is not None and picture.suffix.lower() != ".png":
        raise SettingError(f"--picture takes a file that ends in .png; '{picture}' came.")
    if picture is not None and not picture.parent.is_dir():
        raise SettingError(f"--picture: the folder {picture.parent} does not exist; make it first.")
    if window is not None:
        within("--window", window, 1e-3, 86_400)
    if cycles_per_mac is not None:
        within("--cycles-per-mac", cycles_per_mac, 1e-3, 1e6)
        if not board:
            raise SettingError("--cycles-per-mac is of --board; give both.")


def _counted(
    target: str, frames: int | None, window: float | None, precision: str | None
) -> tuple[dict[str, Counts], float]:
    """(counts by stage, or of the one model under its name; seconds of audio in a window)."""
    path = Path(target)
    file = path.suffix.lower() in (".onnx", ".tflite") and not path.is_dir()
    made = path.is_dir() or file
    if made and (frames is not None or precision is not None):
        raise SettingError(
            f"--frames and --precision ask what a system would be; {target} is what it is. Leave them out."
        )
    if path.is_dir():
        return _of_run(path, window)
    if file:
        return _of_file(path, window)
    if path.is_file() and path.suffix.lower() != ".py":
        raise ModelError(
            f"{target} is no model; complexity takes systems (names or .py files), run folders and model files (.onnx, "
            ".tflite). Of a .pte file, count the run that wrote it."
        )
    return _of_system(target, frames, window, precision or PRECISIONS[0])


def _of_run(path: Path, window: float | None) -> tuple[dict[str, Counts], float]:
    from ..pipeline import finished_stages, stage_complexity
    from ..pipeline.stages import restore
    from .run_verbs import opened

    if window is not None:
        raise SettingError(f"--window asks what a system would be; {path} is what it is. Leave it out.")
    prepared, _ = opened(path)
    restore(prepared, path)  # says so if nothing is trained
    stages = {stage.name: stage_complexity(prepared, path, stage) for stage in finished_stages(prepared, path)}
    return stages, prepared.system.task.window_s


def _of_file(path: Path, window: float | None) -> tuple[dict[str, Counts], float]:
    from ..evaluate import count_litert, count_onnx
    from ..runtime import read_model_file
    from ..runtime.card_file import read_with_card
    from ..runtime.model_file import file_bytes

    litert = path.suffix.lower() == ".tflite"
    count = count_litert if litert else count_onnx
    try:
        data, card = read_with_card(path, ".tflite")[:2] if litert else read_model_file(path)
    except ModelError as error:
        data = file_bytes(str(path), "Check the name.", "a model file (.onnx, .tflite)")
        try:
            counts = count(data, window or 1.0)
        except ModelError as why:
            raise (error if window is None else ModelError(f"{path}: {why}")) from None
        if window is None:  # it can be counted all the same
            more = "To count it as it is, say how long its window lasts: --window SECONDS."
            raise ModelError(f"{error} {more}") from None
        return {path.name: counts}, window
    if window is not None:
        raise SettingError(f"--window asks what a system would be; {path} is what it is. Leave it out.")
    window = card.window_samples / card.sample_rate_hz
    try:
        return {path.name: count(data, window)}, window
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _of_system(
    target: str, frames: int | None, window: float | None, precision: str
) -> tuple[dict[str, Counts], float]:
    if precision not in PRECISIONS:
        raise SettingError(f"--precision takes {', '.join(PRECISIONS)}; '{precision}' came.")
    import torch

    from ..compress import fold
    from ..evaluate import count_complexity
    from ..systems import load_system

    system = load_system(target)
    with torch.no_grad():
        features = system.frontend.build().eval()(torch.zeros(1, system.window_samples))
    if frames is not None:
        features = torch.zeros(*features.shape[:-1], frames)
    network = system.model.build().eval()
    for parameter in network.parameters():  # untrained norms shift by 0, and zeros are free in 2020 and 2021
        parameter.data[parameter == 0] = 1.0
    window = window or system.task.window_s
    int8_form = fold(network) if precision == "int8" else None
    counts = count_complexity(network, features, window, int8_form, half=precision == "float16")
    name = target if frames is None else f"{target}, {frames} frames"
    return {name if precision == PRECISIONS[0] else f"{name}, {precision}": counts}, window


def _draw(picture: Path, title: str, subject: Counts) -> None:
    from ..evaluate.complexity_picture import draw_complexity
    from ..files import write_whole

    write_whole(picture, draw_complexity(title, subject))


def _print(columns: Mapping[str, Counts], last: str, limits: list[Counts], every_layer: bool) -> None:
    from ..evaluate.complexity import ADDED, blocks
    from .show import print_table

    keys = (*ADDED, "macs_per_s", "peak_activation_bytes")
    rows = [(key, *(f"{counts[key]:,}" for counts in columns.values())) for key in keys]
    types = [" + ".join(f"{n:,} {kind}" for kind, n in counts["bytes_by_type"].items()) for counts in columns.values()]
    print_table(("count", *columns), [*rows, ("bytes by type", *types)])
    print()
    print_table(
        (f"limits: {last}", "value", "limit", ""),
        [
            (f"{row['year']}: {row['unit']}", f"{row['value']:,}", f"{row['limit']:,}", MARKS[row["ok"]])
            for row in limits
        ],
    )
    subject = columns[last]
    at_work = [row for row in subject["layers"] if row["macs"] or row["macs_true"] or row["bytes"]]
    parts = at_work if every_layer else blocks(at_work, 16)
    print()
    print_table(
        ("layers from input to output", "MACs", "", "true MACs", "bytes", ""),
        [
            (
                row["name"] + (f"  {'x'.join(map(str, row['output']))}" if every_layer and row["output"] else ""),
                f"{row['macs']:,}",
                f"{100 * row['macs'] / max(1, subject['macs']):.1f} %",
                f"{row['macs_true']:,}",
                f"{row['bytes']:,}",
                f"{100 * row['bytes'] / max(1, subject['bytes']):.1f} %",
            )
            for row in parts
        ],
    )
    print(
        "\nmacs: rule of the official counter for torch (2022 to 2025); macs_tflite: its rule for TFLite files; "
        "macs_true: every product. The front end is not counted. All words: docs/complexity.md"
    )


def _print_boards(boards: list[Counts]) -> None:
    from .show import print_table

    def fits(row: Counts, what: str) -> str:
        return f"{row[f'{what}_bytes']:,}" + ("" if row[f"{what}_fits"] else " TOO MUCH")

    print()
    print_table(
        (
            "estimate, not measured",
            "assumed cycles per MAC",
            "seconds a window",
            "of real time",
            "RAM for maps",
            "flash",
        ),
        [
            (
                row["board"],
                " + ".join(f"{cycles:g}" for cycles in row["cycles_per_mac"]),
                f"{row['seconds']:.3g}",
                f"{100 * row['load']:.3g} %",
                fits(row, "ram"),
                fits(row, "flash"),
            )
            for row in boards
        ],
    )
    print("Without front end, program and stack. Measure on your board, then: --cycles-per-mac.")


VERBS = (complexity,)
