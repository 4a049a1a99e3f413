"""A model file's probabilities for every clip of a data set, written as they come."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..data.bad_rows import SHOWN
from ..data.dataset import Dataset
from ..errors import DataError, OutputError
from ..runtime import Classifier
from ..runtime.batch import answered, in_order, scores_of
from .predictions import COLUMNS


class Predicted(NamedTuple):
    """What `predict_dataset` met: clips left out, digital silence, and rates that leave out what the model hears."""

    left_out: list[str]
    silent: int
    low_rate: int


def predict_dataset(
    model: str | Path,
    dataset: Dataset,
    out: Path,
    hop_s: float | None = None,
    skip_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Predicted:
    """Write `out`, a CSV as of `Predictions.read_csv`, a row for each clip in the data set's order, or nothing at all.

    A clip's probabilities are the mean over its windows, which start every `hop_s` seconds (None: side by side).
    Clips that cannot be decoded are left out with `skip_bad`.

    Raises:
        DataError: clips that cannot be decoded (without skip_bad), or labels that the model does not know.
        OutputError: the file cannot be written.
    """
    classifier = Classifier(model)
    labels = classifier.labels
    unknown = [name for name in dataset.classes if name not in labels] if (dataset.target >= 0).any() else []
    if unknown:
        raise DataError(
            f"{model} tells {', '.join(labels)} apart; {dataset.name} has the class '{unknown[0]}', none of them."
        )

    temporary, bad, silent, low_rate = out.with_name(f".{out.name}.{os.getpid()}"), [], 0, 0
    try:
        with (
            open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
            closing(in_order(lambda path: answered(classifier, path, hop_s), dataset.paths())) as answers,
        ):
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow((*COLUMNS, *labels))
            for i, answer in enumerate(answers):
                if answer.why:
                    bad.append((str(dataset.files[i]), answer.why))
                else:
                    silent, low_rate = silent + answer.silent, low_rate + (answer.missing != "")
                    target = dataset.target[i]
                    known = (dataset.files[i], dataset.device[i], dataset.city[i], dataset.recording[i])
                    label = dataset.classes[target] if target >= 0 else ""
                    scores = scores_of(answer.decisions[0], labels)
                    writer.writerow((*known, label, labels[int(np.argmax(scores))], *scores))
                if progress:
                    progress(i + 1, len(dataset))
        if bad and (not skip_bad or len(bad) == len(dataset)):
            told = "; ".join(why.rstrip(".") for _, why in bad[:SHOWN])
            rest = f"; and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else ""
            raise DataError(f"{len(bad):,} of {len(dataset):,} clips cannot be used: {told}{rest}.")
        os.replace(temporary, out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}. Choose another --out.") from None
    finally:
        if os.path.lexists(temporary):  # also after Ctrl-C
            os.remove(temporary)
    return Predicted([file for file, _ in bad], silent, low_rate)
