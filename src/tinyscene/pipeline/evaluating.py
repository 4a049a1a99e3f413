"""Every finished stage of a run, and every model file in it, on the run's test clips; the report folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..data import inner_validation
from ..errors import SettingError
from ..evaluate import Predictions, measure, write_report
from ..export import FORMS
from ..runtime import Classifier
from ..runtime.model_file import read_model_file
from ..system import System
from ..train import JOURNAL, Fit, Stage, read_journal
from ..train.test_time import predict_augmented
from .exporting import EVALUATION, model_path, stage_complexity, weights_checksum
from .preparing import Prepared, data_facts
from .recipe import base_of, stages_of
from .run_folder import RunRecord, write_json
from .stages import finished_stages, probabilities, restore
from .teacher_file import leaked


def evaluate_run(prepared: Prepared, record: RunRecord, folder: Path, hop_s: float | None = None) -> dict[str, Any]:
    """Write predictions, evaluation.json and report/ into the run; returns what evaluation.json holds.

    The figures of the newest stage stand at the top and again, as those of every stage, under "stages"; "exported"
    holds those of the model files, classified by the runtime from the audio files.

    Raises:
        ModelError: nothing is trained yet.
    """
    restore(prepared, folder)  # says so if nothing is trained
    store = prepared.store(prepared.split.test, "windows", hop_s)
    stages, exported, complexity, journal = {}, {}, {}, {}
    stale: list[str] = []  # files of a stage that was trained anew since
    side_by_side = {}
    for stage in finished_stages(prepared, folder):
        name, own = stage.name, folder / stage.name
        network = restore(prepared, folder, stage)
        finish = prepared.front_end.finish
        said = probabilities(prepared, folder, stage, network, store, prepared.split.test)
        stages[name] = side_by_side[name] = _measured(prepared, said, own / "predictions.csv")
        complexity[name] = stage_complexity(prepared, folder, stage)
        looks = prepared.system.inference
        if looks.augment and not stage.per_device:
            augment, rows = [spec.build() for spec in looks.augment], np.arange(len(store))
            said = predict_augmented(
                network, finish, prepared.decide, store, rows, augment, looks.repeats, prepared.seed
            )
            again = f"{name}+tta"
            stages[again] = side_by_side[again] = _measured(prepared, said, own / "predictions-tta.csv")
            complexity[again] = complexity[name] | {
                key: looks.repeats * complexity[name][key] for key in ("macs", "macs_per_s", "macs_tflite", "macs_true")
            }
        journal[name] = read_journal(own / JOURNAL)
        for path in (model_path(prepared, folder, name, form) for form in FORMS):
            if not path.is_file():
                continue
            card = read_model_file(path)[1]
            if card.weights not in ("", weights_checksum(own)) or set(card.labels) != set(prepared.dataset.classes):
                stale.append(path.name)
                continue
            with prepared.progress(f"classify with {path.name}") as report:
                said = _by_runtime(prepared, path, hop_s, report)
            predictions = own / f"predictions-{path.stem.rpartition('-')[2]}.csv"
            exported[path.name] = side_by_side[path.name] = _measured(prepared, said, predictions)
    last = list(stages)[-1]
    result = {
        "run": str(folder),
        "system": prepared.system.name,
        "data": data_facts(prepared),
        "stage": last,
        "predictions": f"{last.removesuffix('+tta')}/predictions{'-tta' if last.endswith('+tta') else ''}.csv",
        **stages[last],
        "stages": stages,
        "exported": exported,
        **({"stale": stale} if stale else {}),
        "complexity": complexity,
    }
    known = leaked(folder)
    leak = (
        (f"leak: the teacher was trained on {known:,} of these test clips, so that the figures are no measure.",)
        if known
        else ()
    )
    result["leaked"] = known
    write_json(folder / EVALUATION, result)
    facts = {
        "title": f"{prepared.system.name} on {prepared.dataset.name}",
        "system": prepared.system.name,
        "created": record.created,
        "data": result["data"],
        "run": {
            "seed": record.seed,
            "command": record.command,
            "versions": dict(record.versions),
            "machine": record.machine,
            "settings": dict(record.settings),
        },
        "stages": side_by_side,  # each stage with its files behind it: the last entry is the page's headline
        "complexity": complexity,
        "journal": journal,
        "claims": claims_table(prepared.system),
        "notes": [*leak, *prepared.system.notes, *prepared.dataset.notes],
    }
    write_report(folder / "report", facts)
    return result


def claims_table(system: System) -> list[dict[str, Any]]:
    """The report's figures as rows: figure, published, reached, source, why."""
    return [
        {
            "figure": figure,
            "published": claim.published,
            "reached": "" if claim.reached is None else f"{claim.reached:,}",
            "source": claim.source,
            "why": claim.why,
        }
        for figure, claim in system.claims.items()
    ]


def measured(prepared: Prepared, predictions: Predictions) -> dict[str, Any]:
    """The figures of predictions of the run's test clips, in their order."""
    segment = prepared.dataset.segment[prepared.split.test]
    # A TAU clip of a second says of which ten it is: scene-city-location-segment-second.
    return measure(predictions, segments=["-".join(name.split("-")[:4]) for name in segment])


def held_out_predictions(prepared: Prepared, folder: Path, stage: Stage) -> Predictions:
    """What a stage says of the training clips that were held out of its training.

    Raises:
        SettingError: it held none out.
    """
    stages, rows = stages_of(prepared.system), prepared.split.train
    trained: Stage | None = stage
    chain: list[str] = []  # of the recipe's own stages: one that `compress` has added takes its share from them
    while trained is not None:  # a clip that a stage before was trained on is not held out
        if isinstance(trained, Fit):
            _, own = inner_validation(prepared.dataset, prepared.split.train, trained.validation_share, prepared.seed)
            rows = np.intersect1d(rows, own)
            chain += [trained.name] if trained.after is None else []
        trained = base_of(stages, trained)
    if not len(rows):
        settings = " ".join(f"--set recipe.{name}.validation_share=0.1" for name in reversed(chain))
        raise SettingError(
            f"the stage {stage.name} of {folder} and those before it held no training clips out, and something is to "
            f"be fitted on such: train anew with {settings}."
        )
    store = prepared.store(rows, "windows")
    network = restore(prepared, folder, stage)
    return _predictions(prepared, rows, probabilities(prepared, folder, stage, network, store, rows))


def _measured(prepared: Prepared, probabilities: np.ndarray, path: Path) -> dict[str, Any]:
    predictions = _predictions(prepared, prepared.split.test, probabilities)
    predictions.write_csv(path)
    return measured(prepared, predictions)


def _predictions(prepared: Prepared, rows: np.ndarray, probabilities: np.ndarray) -> Predictions:
    clips = prepared.dataset.take(rows)
    return Predictions(
        classes=clips.classes,
        probabilities=probabilities,
        target=clips.target,
        files=[str(file) for file in clips.files],
        devices=[str(device) for device in clips.device],
        cities=[str(city) for city in clips.city],
        recordings=[str(recording) for recording in clips.recording],
    )


def _by_runtime(prepared: Prepared, path: Path, hop_s: float | None, report: Callable[[int, int], None]) -> np.ndarray:
    classifier = Classifier(path)
    paths = prepared.dataset.take(prepared.split.test).paths()
    rows = []
    for i, clip in enumerate(paths):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of short and silent clips: they are in the set on purpose
            (decision,) = classifier.classify(clip, hop_s, top_k=len(classifier.labels))
        scores = {entry["label"]: entry["score"] for entry in decision.top}
        rows.append([scores[label] for label in prepared.dataset.classes])
        report(i + 1, len(paths))
    return np.asarray(rows)
