"""The verb that compares every road from sound to probabilities that is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ModelError, TinysceneError, command, install
from .words import counted

if TYPE_CHECKING:
    from ..pipeline.parity import Clip, Compared, Road
    from ..runtime.model_file import ModelCard


def parity(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL|RUN", help="A tinyscene model file, or a run folder.", show_default=False)
    ],
    audio: Annotated[
        list[Path] | None, typer.Argument(metavar="[AUDIO]...", help="Audio files (default: sounds made here).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare every road from sound to probabilities that is there: torch, model files, runtime, stream.

    Files of the same network beside a model file are taken too; one that was made of other weights is named and left
    out. Exit code 1: a road breaks its tolerance.
    """
    from ..pipeline.parity import compare, made_sounds, sounds_of
    from ..pipeline.parity_roads import file_roads, missing_files, of_other_weights
    from .show import progress_bar

    there, run, asked = _there(model)
    eager, weights, missing = _torch_roads(run, asked and asked.name)
    if asked and asked.weights:
        whose, trained = weights.get(asked.name, ("", asked.weights))
        if trained != asked.weights:
            eager = []
            missing.append(
                f"torch: {whose} has other weights than {model.name}, which was made before; export it again"
            )
        weights = {asked.name: (model.name, asked.weights)}
    others = of_other_weights(there, weights, str(run or "RUN"))
    missing += others.values()
    files = {path: card for path, card in there.items() if path not in others}
    shape = next(((c.sample_rate_hz, c.window_samples, c.hop_samples or None) for c in files.values()), None)
    if shape is None:
        why = "; ".join(others.values()) or f"write one with: {command('export', model)}"
        raise ModelError(f"{model} has no model file to compare; {why}")
    roads = list(eager)
    for path, card in files.items():
        try:
            roads += file_roads(path, card)
        except TinysceneError as error:  # an older version's file beside the others, or no runtime for it
            missing.append(f"{path.name}: {error}")
    if not roads:
        raise ModelError(f"{model} has no road that can be run: {'; '.join(missing)}")
    networks = sorted({road.network for road in roads}, key=[road.network for road in roads].index)
    roads.sort(key=lambda road: networks.index(road.network))
    missing += missing_files(there, networks, str(run or "RUN"))
    rate, window, hop = shape
    channels = next(iter(files.values())).channels
    sounds = sounds_of(_read(audio, channels) if audio else made_sounds(rate, window), rate, window, hop)
    with progress_bar("parity") as report:
        rows = compare(roads, sounds, report)
    heard = _heard(audio, int(sounds.heard.sum()), len(sounds.heard))
    if as_json:
        print(json.dumps({"sounds": heard, "rows": [row.to_dict() for row in rows], "missing": missing}, indent=1))
    else:
        _show(rows, heard, missing)
    if not all(row.ok for row in rows):
        raise typer.Exit(1)


def _there(model: Path) -> tuple[dict[Path, ModelCard], Path | None, ModelCard | None]:
    """(model files, the run they lie in, the card of the one asked for; None: all of the run)."""
    from ..pipeline.parity_roads import model_cards, read_card
    from ..pipeline.run_folder import RECORD, open_run

    if model.is_dir():
        open_run(model)  # says so if it is none
        return model_cards(model), model, None
    card = read_card(model)
    beside = {path: other for path, other in model_cards(model.parent).items() if _same(card, other)}
    return beside or {model: card}, model.parent if (model.parent / RECORD).is_file() else None, card


def _same(one: ModelCard, other: ModelCard) -> bool:
    """Whether two cards are of one network."""
    keys = ("name", "labels", "precision", "sample_rate_hz", "window_samples")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _torch_roads(run: Path | None, only: str | None) -> tuple[list[Road], dict[str, tuple[str, str]], list[str]]:
    """Roads in torch of each finished stage, or of the one asked for; the stages and their checksums; why not."""
    if run is None:
        return [], {}, ["torch: the model lies in no run folder; give the run, or the model file in it"]
    try:
        from ..pipeline.exporting import weights_checksum
        from ..pipeline.parity_roads import torch_roads
        from ..pipeline.stages import finished_stages
        from .run_verbs import opened

        prepared, _ = opened(run)
        prepared = prepared.learned(run)
        stages = {f"{prepared.system.name}-{stage.name}": stage for stage in finished_stages(prepared, run)}
        stages = {name: stage for name, stage in stages.items() if only in (None, name)}
        roads = [road for stage in stages.values() for road in torch_roads(prepared, run, stage)]
        weights = {name: (str(run / stage.name), weights_checksum(run / stage.name)) for name, stage in stages.items()}
    except ModuleNotFoundError as error:
        return [], {}, [f"torch: not installed (no module named {error.name}): {install('train')}"]
    except TinysceneError as error:
        return [], {}, [f"torch: {error}"]
    return roads, weights, [] if roads else [f"torch: {run} has no finished stage of {only or 'its recipe'}"]


def _read(audio: list[Path], channels: str) -> list[Clip]:
    from ..audio import read_audio

    return [read_audio(path, channels) for path in audio]


def _heard(audio: list[Path] | None, heard: int, n: int) -> str:
    """What the roads were compared on, in words."""
    clips = counted(len(audio), "audio file") if audio else "synthetic sounds: test signals and scenes"
    silent = f", {counted(n - heard, 'silent window')} left out" if heard < n else ""
    return f"{counted(heard, 'window')} of {clips}{silent}"


def _show(rows: list[Compared], heard: str, missing: list[str]) -> None:
    from .show import print_table

    table = [
        (
            f"{row.network}: {row.road}",
            f"{row.difference:.1e}" if row.reference else "reference",
            "" if not row.reference else "yes" if row.ok else f"NO, {row.tolerance:g}",
            f"{row.same} of {row.n}" if row.reference else "",
            f"{row.ms:.2f}",
            f"{row.n_bytes:,}" if row.n_bytes else "",
        )
        for row in rows
    ]
    columns = ("road", "largest difference", "allowed", "same class", "ms a window", "bytes")
    print_table(columns, table, f"{heard}; one thread, median")
    for row in rows:
        if not row.reference and row.n == 1:
            print(f"note: {row.network} heard one window: little is shown. Give more audio, or none.")
        elif not row.reference and row.spread < LITTLE:
            print(f"note: {row.network} says nearly the same of all windows ({row.spread:.2g} apart): little is shown.")
    for line in missing:
        print(f"not there: {line}")


LITTLE = 0.05  # of probability, between windows: a network that tells nothing apart proves nothing

VERBS = (parity,)
