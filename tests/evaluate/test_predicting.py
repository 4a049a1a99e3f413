"""predict_dataset: as the runtime says of each clip; labels or none; bad clips; whole files only."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene.data import open_dataset
from tinyscene.errors import DataError, OutputError
from tinyscene.evaluate import Predictions, predict_dataset
from tinyscene.runtime import Classifier


@pytest.fixture(scope="module")
def model(run: Path) -> Path:
    return run / "narrow-int8-features.onnx"


@pytest.fixture
def few(scenes: Path):
    return open_dataset(scenes).take(np.arange(5))


def test_each_row_is_what_the_runtime_says_of_the_clip(model, few, tmp_path):
    predict_dataset(model, few, tmp_path / "out.csv")
    made, classifier = Predictions.read_csv(tmp_path / "out.csv"), Classifier(model)
    assert made.files == tuple(few.files)
    assert made.devices == tuple(few.device)
    assert [made.classes[i] for i in made.target] == [few.classes[i] for i in few.target]
    for row, path in zip(made.probabilities, few.paths(), strict=True):
        (decision,) = classifier.classify(path, top_k=10)
        for entry in decision.top:
            assert row[made.classes.index(entry["label"])] == entry["score"]


def test_an_evaluation_set_has_rows_without_labels(model, few, tmp_path):
    predict_dataset(model, replace(few, target=np.full(5, -1)), tmp_path / "out.csv")
    assert Predictions.read_csv(tmp_path / "out.csv").target.tolist() == [-1] * 5


def test_bad_clips_are_told_all_at_once_or_left_out(model, few, tmp_path):
    for file in few.files:
        (tmp_path / "set" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(few.root / file, tmp_path / "set" / file)
    for file in few.files[[1, 3]]:
        (tmp_path / "set" / file).write_bytes(b"no sound")
    broken = replace(few, root=tmp_path / "set")
    with pytest.raises(DataError, match="2 of 5 clips cannot be used: ") as caught:
        predict_dataset(model, broken, tmp_path / "out.csv")
    assert all(str(file) in str(caught.value) for file in few.files[[1, 3]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]
    assert predict_dataset(model, broken, tmp_path / "out.csv", skip_bad=True).left_out == few.files[[1, 3]].tolist()
    assert len(Predictions.read_csv(tmp_path / "out.csv")) == 3


def test_silence_and_rates_too_low_are_counted(model, few, tmp_path):
    for file, rate, level in zip(few.files, (8000, 44100, 8000, 44100, 44100), (0.1, 0.0, 0.0, 0.1, 0.1), strict=True):
        (tmp_path / "set" / file).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(0).normal(size=rate) * level
        soundfile.write(tmp_path / "set" / file, noise.astype("float32"), rate)
    met = predict_dataset(model, replace(few, root=tmp_path / "set"), tmp_path / "out.csv")
    assert met == ([], 2, 2)


def test_labels_that_the_model_does_not_know_are_refused(model, few, tmp_path):
    with pytest.raises(DataError, match="has the class 'zoo', none of them"):
        predict_dataset(model, replace(few, classes=(*few.classes[:-1], "zoo")), tmp_path / "out.csv")


def test_a_place_that_cannot_be_written_is_told(model, few, tmp_path):
    with pytest.raises(OutputError, match="Choose another --out"):
        predict_dataset(model, few, tmp_path / "no" / "out.csv")
