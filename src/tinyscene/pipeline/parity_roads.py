"""The roads there are to a network's probabilities: model files, the runtime, the stream, torch; why others are not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelError, command, install
from ..runtime.card_file import read_with_card
from ..runtime.classifier import Classifier
from ..runtime.decision import at_temperature
from ..runtime.model_file import ModelCard, read_model_file
from ..runtime.stream import Stream
from .parity import Clip, Road

if TYPE_CHECKING:
    from torch import nn

    from ..train import Stage
    from .preparing import Prepared

BLOCK_S, ODD = 0.1, 37  # blocks that a stream is fed with, in turns: seconds, samples
FORMS = ("features", "waveform")


# By ending: what it is called, the library that runs it, the extra that brings that, and who reads it.
OTHERS = {
    ".tflite": ("LiteRT", "ai_edge_litert", "tflite", "..runtime.litert_model", "LitertModel"),
    ".pte": ("ExecuTorch", "executorch", "executorch", "..export.executorch", "ExecutorchModel"),
}


def read_card(path: Path) -> ModelCard:
    """The card of a model file of any kind. Raises ModelError, naming the file, when it cannot be used."""
    return read_with_card(path, path.suffix)[1] if path.suffix in OTHERS else read_model_file(path)[1]


def model_cards(folder: Path) -> dict[Path, ModelCard]:
    """The tinyscene model files of a folder, by name; files that are none are passed over."""
    found = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".onnx", *OTHERS)):
        try:
            found[path] = read_card(path)
        except ModelError:
            continue
    return found


def of_other_weights(
    cards: Mapping[Path, ModelCard], known: Mapping[str, tuple[str, str]], run: str
) -> dict[Path, str]:
    """Files that are of another training than their network's other roads, and a line on each.

    `known` has, by network, whose weights count and their checksum; of any other network the first file's do. A card
    without a checksum is taken at its name's word.
    """
    known, found = dict(known), dict[Path, str]()
    for path, card in cards.items():
        if not card.weights:
            continue
        whose, weights = known.setdefault(card.name, (path.name, card.weights))
        if weights != card.weights:
            found[path] = f"{path.name}: of other weights than {whose} has; {_export_again(path, card, run)}"
    return found


def _export_again(path: Path, card: ModelCard, run: str) -> str:
    stage = card.name.removeprefix(f"{card.system}-")
    if stage == card.name:  # of no run
        return "export it again"
    return _export(run, stage, path.suffix, card.form)


def _export(run: str, stage: str, ending: str, form: str) -> str:
    kind = ("--format", ending[1:]) if ending in OTHERS else ("--form", form)
    return command("export", run, "--stage", stage, *kind)


def file_roads(path: Path, card: ModelCard) -> list[Road]:
    """Of one model file: its network window by window; of ONNX also the runtime on whole clips, and the stream.

    Raises ModelError for a file that cannot be run, MissingExtraError where what runs it is not installed.
    """
    if path.suffix in OTHERS:
        kind, _, _, module, reader = OTHERS[path.suffix]
        model = getattr(import_module(module, __package__), reader).read(path)
        return [Road(card.name, f"{kind}, features in", card.precision, model.probabilities, None, path.stat().st_size)]
    classifier = Classifier(path)
    # numpy's FFT, not scipy's; a waveform file has no front end to choose one for.
    runtime = Classifier(path, quick_start=True) if card.form == "features" else classifier
    size = path.stat().st_size

    def by_runtime(clip: Clip) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of short and silent clips: here they are meant
            decisions = runtime.classify(clip, top_k=len(runtime.labels), each_window=True)
        scores = [{entry["label"]: entry["score"] for entry in decision.top} for decision in decisions]
        return np.array([[row[label] for label in runtime.labels] for row in scores])

    def by_stream(clip: Clip) -> np.ndarray:
        stream = Stream(classifier)
        decisions = [d for block in odd_blocks(clip) for d in stream.feed(block, clip[1])] + stream.flush()
        return np.array([[d.scores.get(label, np.nan) for label in classifier.labels] for d in decisions])

    def road(name: str, of_clip: Callable[[Clip], np.ndarray] | None = None) -> Road:
        on_windows = classifier.probabilities if of_clip is None else _window_by_window(of_clip, card.sample_rate_hz)
        return Road(card.name, f"{name}, {card.form} in", card.precision, on_windows, of_clip, size)

    return [road("ONNX file"), road("runtime, whole clips", by_runtime), road("stream", by_stream)]


def odd_blocks(clip: Clip) -> Iterable[np.ndarray]:
    """A clip in blocks of BLOCK_S seconds and of ODD samples, in turns."""
    waveform, rate = clip
    at, turn = 0, 0
    while at < len(waveform):
        size = (max(1, round(BLOCK_S * rate)), ODD)[turn % 2]
        yield waveform[at : at + size]
        at, turn = at + size, turn + 1


def torch_roads(prepared: Prepared, folder: Path, stage: Stage) -> list[Road]:
    """Of a finished stage of a run: its network in torch, the reference; for int8 the converted one beside it."""
    from ..compress import converted, fold
    from .exporting import calibration
    from .stages import restore

    name = f"{prepared.system.name}-{stage.name}"
    last = prepared.front_end, prepared.decide, calibration(folder, stage.name).get("temperature", 1.0)
    network = restore(prepared, folder, stage)
    if stage.precision == "int8":
        simulated = eager_road(name, "torch, fake-quantised", "int8", network, *last, reference=True)
        ready = converted(network)  # type: ignore[arg-type]
        return [simulated, eager_road(name, "torch, int8", "int8", ready, *last)]
    if stage.precision == "float16":
        network = fold(network).half().float()  # as export_run stores it
    return [eager_road(name, "torch", stage.precision, network, *last, reference=True)]


def eager_road(
    network_name: str,
    road: str,
    precision: str,
    network: nn.Module,
    front_end: nn.Module,
    decide: nn.Module,
    temperature: float = 1.0,
    reference: bool = False,
) -> Road:
    """The torch front end, a network and its decision, as one road."""
    import torch

    @torch.inference_mode()
    def probabilities(windows: np.ndarray) -> np.ndarray:
        torch.set_num_threads(1)
        parts = torch.from_numpy(np.ascontiguousarray(windows)).split(16)
        rows = torch.cat([decide(network(front_end(part))) for part in parts])
        return at_temperature(rows.numpy(), temperature)

    return Road(network_name, road, precision, probabilities, reference=reference)


def missing_files(cards: dict[Path, ModelCard], networks: Iterable[str], run: str) -> list[str]:
    """A line for each kind of file that a network, SYSTEM-STAGE, has none of, with the command that makes it run."""
    there = {(card.name, path.suffix, card.form) for path, card in cards.items()}
    lines = []
    for kind, library, extra, *_ in OTHERS.values():
        if find_spec(library) is None:
            lines.append(f"{kind}: not installed; {install(extra)}")
    systems = sorted({card.system for card in cards.values()}, key=len, reverse=True)  # "a-b" before "a"
    for name in networks:
        stage = next((name.removeprefix(f"{own}-") for own in systems if name.startswith(f"{own}-")), None)
        if stage is None:  # the network of no run, such as the one that comes with tinyscene
            continue
        for form in FORMS:
            if (name, ".onnx", form) not in there:
                lines.append(f"{name}, {form} in: no such model file; {_export(run, stage, '.onnx', form)}")
        for ending, (kind, library, *_) in OTHERS.items():
            if find_spec(library) is not None and (name, ending, "features") not in there:
                lines.append(f"{name}, {kind}: no {ending} file; {_export(run, stage, ending, FORMS[0])}")
    return lines


def _window_by_window(of_clip: Callable[[Clip], np.ndarray], rate: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda windows: np.concatenate([of_clip((window, rate)) for window in windows])
