"""Verbs of the light install: classify, info. They must start fast and never import torch."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import command
from ..runtime.shipped import SHIPPED
from .options import Hop, OneModel, UnknownBelow

FEW = 8  # files; more of them are worth the import of the faster FFT


def classify(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[MODEL] FILE...",
            help="A model file (.onnx; without: the ten sounds of ESC-10), then audio files.",
            show_default=False,
        ),
    ],
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="How many labels to list for each file.")] = 1,
    hop: Hop = None,
    unknown_below: UnknownBelow = None,
    windows: Annotated[bool, typer.Option("--windows", help="One decision for each window, not one a file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header line.")] = False,
) -> None:
    """Say what scene each audio file is: the mean over its windows."""
    from ..errors import AudioError, SettingError
    from ..runtime import Classifier
    from ..runtime.decision import UNKNOWN
    from ..runtime.plain_names import plain
    from ..runtime.shipped import model_and_files

    if as_json and as_csv:
        raise SettingError("--json and --csv exclude each other; give one.")
    model, files = model_and_files(paths)
    folder = next((file for file in files if file.is_dir()), None)
    if folder is not None:
        raise SettingError(
            f"{folder} is a folder; audio files are taken. Folders: {command('classify-all', folder)} --out FILE.csv"
        )
    if not files:
        raise SettingError(f"{model} is asked about no audio file; name one behind it.")
    classifier = Classifier(model, quick_start=len(files) < FEW, unknown_below=unknown_below)
    decisions, refused = [], []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for file in files:
            try:
                decisions += classifier.classify(file, hop, top_k, each_window=windows)
            except AudioError as error:
                refused.append(str(error))
    for warning in told:
        print(f"tinyscene: warning: {warning.message}", file=sys.stderr)
    if as_json:
        rows = [decision.to_dict() for decision in decisions]
        utf8 = all(plain(row["file"]) == row["file"] for row in rows)  # else escaped it stays JSON
        print(json.dumps(rows, indent=1, ensure_ascii=not utf8))
    elif as_csv:
        _print_csv(decisions)
    else:
        for decision in decisions:
            ranked = "  ".join(f"{entry['label']} {entry['score']:.3f}" for entry in decision.top)
            if decision.label == UNKNOWN:
                ranked = f"{UNKNOWN}  {ranked}"
            where = plain(decision.file)
            if windows:
                where += f"  {decision.start_s:.2f}-{decision.end_s:.2f} s"
            print(f"{where}  {ranked}")
    if refused:
        # Every good file has had its answer by now; the bad ones decide the exit code.
        raise AudioError("\ntinyscene: ".join(refused))


def _print_csv(decisions: list) -> None:
    import csv

    from ..runtime.plain_names import plain

    writer = csv.writer(sys.stdout, lineterminator="\n")
    n = max((len(decision.top) for decision in decisions), default=0)
    extra = [name for rank in range(2, n + 1) for name in (f"label_{rank}", f"score_{rank}")]
    writer.writerow(["file", "start_s", "end_s", "label", "score", *extra])
    for d in decisions:
        rest = [value for entry in d.top[1:] for value in (entry["label"], f"{entry['score']:.6f}")]
        writer.writerow([plain(d.file), f"{d.start_s:.3f}", f"{d.end_s:.3f}", d.label, f"{d.score:.6f}", *rest])


def info(
    model: OneModel = SHIPPED,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card and the file's size as JSON.")] = False,
) -> None:
    """Tell what a model file is: labels, rate, window, size, what was measured of it."""
    from ..runtime import read_model_file
    from ..runtime.card_file import read_with_card

    card_beside = model.suffix in (".tflite", ".pte")
    if card_beside:
        data, card, content = read_with_card(model, model.suffix)
    else:
        data, card = read_model_file(model)
        content = json.loads(card.to_json()) | {"file_bytes": len(data)}
    if as_json:
        print(json.dumps(content, indent=1, ensure_ascii=False))
        return
    window_s = card.window_samples / card.sample_rate_hz
    counts = card.complexity
    rows = {
        "model": f"{card.name} ({card.system}, tinyscene {card.version}, {card.created})",
        "file": f"{len(data):,} bytes, {card.precision}, takes {card.form}",
        "audio": f"{card.sample_rate_hz:,} Hz, {window_s:g} s a window, stereo becomes the {card.channels}",
        "labels": ", ".join(f"'{label}'" if "," in label else label for label in card.labels),
        "network": f"{counts.get('parameters', 0):,} parameters, {counts.get('bytes', 0):,} bytes, "
        f"{counts.get('macs', 0):,} MACs a window",
    }
    if card.claims:
        told = {key: f"{value:.4f}" if isinstance(value, float) else value for key, value in card.claims.items()}
        rows["measured"] = (
            f"accuracy {told.get('accuracy', '?')}, log loss {told.get('log_loss', '?')} on {told.get('n', '?')} "
            f"clips of {told.get('data', '?')} ({told.get('split', '?')})"
        )
    if card.temperature != 1 or card.unknown_below:
        rows["decides"] = f"at temperature {card.temperature:.3f}, unknown below {card.unknown_below:g}"
    if proven := _proven(content.get("beside_the_network")):
        rows["proven"] = proven
    rows["checksum"] = "fits"
    for key, value in rows.items():
        print(f"{key:9} {value}")
    if not card_beside:
        print(f"\nnext: {command('classify', *(() if model == SHIPPED else (model,)), 'FILE...')}")


def _proven(beside: Any) -> str:
    """How far a converted file lies from the network that it was made of, as its card has it; "" if it has no numbers.

    A card is data: it may hold anything.
    """
    keys = ("windows", "same_class", "largest_difference", "largest_difference_steps")
    told = {key: beside[key] for key in keys if key in beside} if isinstance(beside, dict) else {}
    if not told.keys() >= set(keys[:3]) or not all(type(value) in (int, float) for value in told.values()):
        return ""
    steps = told.get(keys[3])
    return (
        f"same class as the network on {told['same_class']} of {told['windows']} windows, probabilities within "
        f"{told['largest_difference']:.2g}"
        + (f", logits within {steps:.3g} of their steps" if steps is not None else "")
    )


VERBS = (classify, info)
