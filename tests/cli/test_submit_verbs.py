"""tinyscene submit: from a run to a package, and what is told of packages and runs that will not do."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from tinyscene import load_system
from tinyscene.cli.submit_verbs import submit
from tinyscene.data.tau import TAU_CLASSES
from tinyscene.evaluate import count_complexity, without_layers
from tinyscene.evaluate.metrics import measure
from tinyscene.evaluate.predictions import Predictions
from tinyscene.pipeline import RunRecord
from tinyscene.pipeline.run_folder import RECORD, write_json
from tinyscene.train import save

DEVICES = ("a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a run as train and evaluate leave it, an author file, and predictions of an evaluation set."""
    import torch

    folder = tmp_path_factory.mktemp("submit")
    run = folder / "run"
    (run / "fit").mkdir(parents=True)
    settings = {"model.base_channels": "8"}
    system = load_system("cp-mobile").with_settings(settings)
    network = system.model.build().eval()
    save(network.state_dict(), run / "fit" / "weights.pt")
    record = RunRecord("cp-mobile", "data", 1, settings=settings, classes=TAU_CLASSES)
    write_json(run / RECORD, {"format": 1, **{k: getattr(record, k) for k in record.__dataclass_fields__}})
    n = 10 * len(DEVICES)
    target = np.arange(n) % 10
    devices = [DEVICES[i // 10] for i in range(n)]
    figures = measure(Predictions(TAU_CLASSES, np.full((n, 10), 0.1), target, devices=devices), n_bootstrap=2)
    counts = without_layers(count_complexity(network, torch.zeros(1, 1, 256, 65), 1.0))
    write_json(run / "evaluation.json", {"stage": "fit", "stages": {"fit": figures}, "complexity": {"fit": counts}})
    probabilities = np.random.default_rng(1).dirichlet(np.ones(10), 7_920)
    files = [f"audio/{i}.wav" for i in range(7_920)]
    Predictions(TAU_CLASSES, probabilities, np.full(7_920, -1), files=files).write_csv(folder / "predictions.csv")
    affiliation = dict.fromkeys(("abbreviation", "institute", "department", "location"), "x")
    person = dict.fromkeys(("lastname", "firstname", "email"), "x") | {
        "affiliation": affiliation,
        "corresponding": True,
    }
    author = {
        "submission": {"name": "Small", "abbreviation": "small", "authors": [person]},
        "system": {"source_code": None, "inference_code": "https://example.org"},
    }
    (folder / "authors.yaml").write_text(yaml.safe_dump(author))
    return folder


def words(made, year, label, out, *more):
    given = {"run": made / "run", "predictions": made / "predictions.csv", "authors": made / "authors.yaml"}
    options = [text for key, value in given.items() for text in (f"--{key}", str(value))]
    return ["make", "--year", year, "--label", label, "--out", str(out), *options, *more]


def told(*arguments):
    result = CliRunner().invoke(submit, [str(word) for word in arguments])
    return result.exit_code, result.output + str(result.exception or "")


def test_make_and_check(made, tmp_path):
    out = tmp_path / "package.zip"
    code, text = told(*words(made, "2021", "Smith_TAU_task1a_1", out))
    assert code == 0
    assert str(out) in text.splitlines()
    assert f"2 files. next: tinyscene submit check {out} --year 2021a" in text.splitlines()
    code, text = told("check", out, "--year", "2021a")
    assert code == 0, text
    with zipfile.ZipFile(out) as package:
        meta = yaml.safe_load(package.read("Smith_TAU_task1a/task1/Smith_TAU_task1a_1/Smith_TAU_task1a_1.meta.yaml"))
    description = meta["system"]["description"]
    assert description["input_sampling_rate"] == "32kHz"
    assert description["acoustic_features"] == "log mel"
    assert "freq mix style" in description["data_augmentation"]
    assert meta["results"]["development_dataset"]["overall"] == {"accuracy": 10.0, "logloss": 2.3026}
    code, text = told("check", out, "--year", "2022")
    assert code == 1
    assert "no system is found" in text


def test_2025_in_16_bits(made, tmp_path):
    out = tmp_path / "package.zip"
    code, text = told(*words(made, "2025", "Smith_TAU_task1_1", out, "--half"))
    assert code == 0, text
    assert told("check", out, "--year", "2025")[0] == 0
    counts = json.loads((made / "run" / "evaluation.json").read_text())["complexity"]["fit"]
    with zipfile.ZipFile(out) as package:
        complexity = json.loads(package.read("predictions/Smith_TAU_task1_1/complexity.json"))
        facts = json.loads(package.read("inference/Smith_TAU_task1/resources/Smith_TAU_task1_1.json"))
    assert complexity["max_Params"] == 2 * counts["parameters"]
    assert complexity["max_MACs"] == counts["macs"]
    assert facts == {
        "system": "cp-mobile",
        "settings": {"model.base_channels": "8"},
        "learned": {},
        "classes": list(TAU_CLASSES),
    }


@pytest.mark.parametrize(
    ("year", "label", "more", "says"),
    [
        ("2022", "Smith_TAU_task1_1", (), "118,800 rows are needed, 7,920 came"),
        ("2020", "Smith_TAU_task1a_1", (), "2020a"),
        ("2021", "Smith_TAU_task1_1", (), "must be <Lastname>_<Institute>_task1a"),
        ("2020b", "Smith_TAU_task1b_1", (), "tells 10 classes apart"),
        ("2021", "Smith_TAU_task1a_1", ("--stage", "int8"), "int8"),
        ("2021", "Smith_TAU_task1a_1", ("--label", "Smith_TAU_task1a_2"), "--run is needed 1 time for each"),
        ("2024", "Smith_TAU_task1_1", (), "--run is needed 5 times for each"),
    ],
)
def test_what_will_not_do(made, tmp_path, year, label, more, says):
    code, text = told(*words(made, year, label, tmp_path / "package.zip", *more))
    assert code == 1
    assert says in text
    assert list(tmp_path.iterdir()) == []


def test_2024_takes_five_of_each(made, tmp_path, monkeypatch):
    from dataclasses import replace

    from tinyscene.submission import EDITIONS

    monkeypatch.setitem(EDITIONS, "2024", replace(EDITIONS["2024"], rows=7_920))
    options = []
    for split in (5, 10, 25, 50, 100):
        options += ["--run", f"{split}={made / 'run'}", "--predictions", f"{split}={made / 'predictions.csv'}"]
    start = ["make", "--year", "2024", "--label", "Smith_TAU_task1_1", "--authors", made / "authors.yaml"]
    out = tmp_path / "package.zip"
    code, text = told(*start, "--out", out, *options)
    assert code == 0, text
    assert told("check", out, "--year", "2024")[0] == 0
    options[1] = options[1].removeprefix("5=")
    code, text = told(*start, "--out", out, *options)
    assert code == 1
    assert "5=PATH" in text
