"""tinyscene submit: from a run to a package, and what is told of packages and runs that will not do."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace

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
from tinyscene.pipeline import RunRecord, open_run
from tinyscene.pipeline.run_folder import RECORD, write_json
from tinyscene.train import save

DEVICES = ("a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6")


def write_record(run, record):
    write_json(run / RECORD, {"format": 1, **{k: getattr(record, k) for k in record.__dataclass_fields__}})


def predict(path, n, seed):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(10), n)
    files = [f"audio/{i}.wav" for i in range(n)]
    Predictions(TAU_CLASSES, probabilities, np.full(n, -1), files=files).write_csv(path)


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
    write_record(run, record)
    n = 10 * len(DEVICES)
    target = np.arange(n) % 10
    devices = [DEVICES[i // 10] for i in range(n)]
    figures = measure(Predictions(TAU_CLASSES, np.full((n, 10), 0.1), target, devices=devices), n_bootstrap=2)
    counts = without_layers(count_complexity(network, torch.zeros(1, 1, 256, 65), 1.0))
    evaluation = {"stage": "fit", "stages": {"fit": figures}, "complexity": {"fit": counts}}
    write_json(run / "evaluation.json", evaluation)
    for split in ("5", "10", "25", "50", "100"):
        own = folder / split
        shutil.copytree(run, own)
        write_record(own, replace(record, fold=f"split{split}"))
        predict(folder / f"{split}.csv", 7_920, int(split))
    integer = folder / "integer"  # after tinyscene compress and evaluate
    shutil.copytree(run, integer)
    small = counts | {
        "bytes": counts["parameters"] + 900,
        "bytes_by_type": {"int8": counts["parameters"], "int32": 900},
    }
    evaluation["stages"]["int8"], evaluation["complexity"]["int8"] = figures, small
    write_json(integer / "evaluation.json", evaluation)
    predict(folder / "predictions.csv", 7_920, 1)
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
    note = "bytes are those of the weights in 16 bits (--half), accuracy and log loss those of the network in 32 bits"
    assert f"note: {note}" in text
    assert "training clips of 2025 are split25" in text
    assert told("check", out, "--year", "2025")[0] == 0
    counts = json.loads((made / "run" / "evaluation.json").read_text())["complexity"]["fit"]
    with zipfile.ZipFile(out) as package:
        complexity = json.loads(package.read("predictions/Smith_TAU_task1_1/complexity.json"))
        facts = json.loads(package.read("inference/Smith_TAU_task1/resources/Smith_TAU_task1_1.json"))
        assert (
            package.read("predictions/Smith_TAU_task1_1/Smith_TAU_task1_1.meta.yaml").decode().startswith(f"# {note}")
        )
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
        ("2023", "Smith_TAU_task1_1", (), "118,800 rows are needed, 7,920 came"),
        (
            "2022",
            "Smith_TAU_task1_1",
            (),
            "the stage fit is stored as float32, and 2022 takes int8 networks only. tiny",
        ),
        ("2022", "Smith_TAU_task1_1", ("--half",), "is stored as float16, and 2022 takes int8 networks only"),
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


SPLITS = ("5", "10", "25", "50", "100")


@pytest.fixture
def make_2024(made, tmp_path, monkeypatch):
    """make_2024({split: run}, {split: predictions}) -> exit code, what is told, the package."""
    from tinyscene.submission import EDITIONS

    monkeypatch.setitem(EDITIONS, "2024", replace(EDITIONS["2024"], rows=7_920))

    def make(runs=None, predictions=None):
        runs = {split: f"{split}={made / split}" for split in SPLITS} | (runs or {})
        files = {split: f"{split}={made / split}.csv" for split in SPLITS} | (predictions or {})
        out = tmp_path / "package.zip"
        words = [
            "make",
            "--year",
            "2024",
            "--label",
            "Smith_TAU_task1_1",
            "--authors",
            made / "authors.yaml",
            "--out",
            out,
        ]
        words += [word for value in runs.values() for word in ("--run", value)]
        words += [word for value in files.values() for word in ("--predictions", value)]
        return *told(*words), out

    return make


def test_2024_takes_five_of_each(made, make_2024):
    code, text, out = make_2024()
    assert code == 0, text
    assert told("check", out, "--year", "2024")[0] == 0
    code, text, out = make_2024({"5": str(made / "5")})
    assert code == 1
    assert "5=PATH" in text


@pytest.mark.parametrize(
    ("split", "changes", "says"),
    [
        ("5", {"fold": "split10"}, "a run with --fold split5 is needed, this one was trained with --fold split10"),
        ("50", {"fold": None}, "a run with --fold split50 is needed, this one was trained with --fold 1"),
        ("25", {"fold": None, "test_share": 0.2}, "this one was trained with --test-share 0.2"),
        ("100", {"fold": None, "test_share": 0.2}, "this one was trained with --test-share 0.2"),
        ("100", {"fold": "split50"}, "a run with --fold split100 is needed"),
        ("25", {"whole": True}, "this one was trained with all clips (--whole)"),
        ("100", {"fold": None}, ""),  # the official fold is all of its clips
        ("100", {"fold": "1"}, ""),
    ],
)
def test_2024_asks_for_a_run_of_each_split(split, changes, says, made, make_2024, tmp_path):
    run = tmp_path / "other"
    shutil.copytree(made / split, run)
    write_record(run, replace(open_run(run), **changes))
    code, text, out = make_2024({split: f"{split}={run}"})
    assert code == bool(says), text
    assert says in text
    assert out.exists() is not bool(says)


def test_2024_asks_for_predictions_of_each_split(made, make_2024):
    code, text, out = make_2024(predictions={"50": f"50={made / '5.csv'}"})
    assert code == 1
    assert "output.split_50.csv is the same as Smith_TAU_task1_1.output.split_5.csv" in text
    assert not out.exists()


def test_2024_counts_the_largest_of_the_five(made, make_2024, tmp_path):
    run = tmp_path / "other"
    shutil.copytree(made / "10", run)
    content = json.loads((run / "evaluation.json").read_text())
    content["complexity"]["fit"] |= {"macs": 29_999_999, "macs_per_s": 29_999_999}
    (run / "evaluation.json").write_text(json.dumps(content))
    code, text, out = make_2024({"10": f"10={run}"})
    assert code == 0, text
    with zipfile.ZipFile(out) as package:
        meta = yaml.safe_load(package.read("task1/Smith_TAU_task1_1/Smith_TAU_task1_1.meta.yaml"))
    assert meta["system"]["complexity"]["macs"] == 29_999_999


def test_2022_takes_int8(made, tmp_path, monkeypatch):
    from tinyscene.submission import EDITIONS

    monkeypatch.setitem(EDITIONS, "2022", replace(EDITIONS["2022"], rows=7_920))
    given = words(made, "2022", "Smith_TAU_task1_1", tmp_path / "package.zip")
    start = [made / "integer" if word == str(made / "run") else word for word in given]
    code, text = told(*start)
    assert code == 1
    assert "Take --stage int8." in text
    code, text = told(*start, "--stage", "int8")
    assert code == 0, text
    assert "note" not in text
    assert told("check", tmp_path / "package.zip", "--year", "2022")[0] == 0
    path = made / "integer" / "evaluation.json"
    content = json.loads(path.read_text())
    content["complexity"]["int8"]["bytes_by_type"]["float32"] = 64  # a norm that stands by itself
    monkeypatch.setattr("tinyscene.cli.submit_verbs._evaluation", lambda run: content)
    code, text = told(*start, "--stage", "int8")
    assert code == 0, text
    assert "the stage int8 keeps 64 bytes as float32; 2022 takes int8 networks only" in text


def test_a_run_of_all_clips_is_told(made, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    write_record(run, replace(open_run(run), whole=True))
    given = words(made, "2021", "Smith_TAU_task1a_1", tmp_path / "p.zip")
    code, text = told(*[run if word == str(made / "run") else word for word in given])
    assert code == 0
    assert "note: Smith_TAU_task1a_1 was trained on the test clips too: its figures are no measure" in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "[1]", "cannot be read"),
        (lambda text: "{}", "cannot be read"),
        (lambda text: text[:100], "cannot be read"),
        (lambda text: text.replace("macs_per_s", "macs_a_s"), "macs_per_s missing"),
        (lambda text: text.replace("macro_log_loss", "loss"), "macro_log_loss missing"),
        (lambda text: text.replace('"stage": "fit"', '"stage": "x"'), "x missing"),
        (lambda text: text.replace('"stages"', '"stage s"'), "cannot be read"),
    ],
)
def test_evaluations_that_were_changed(made, tmp_path, change, says):
    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    path = run / "evaluation.json"
    path.write_text(change(path.read_text()))
    given = words(made, "2021", "Smith_TAU_task1a_1", tmp_path / "p.zip")
    code, text = told(*[run if word == str(made / "run") else word for word in given])
    assert code == 1
    assert says in text
    assert "write it anew: tinyscene evaluate" in text


def test_a_network_for_each_device(made, tmp_path):
    import torch

    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    weights = torch.load(run / "fit" / "weights.pt")
    both = {f"{device}/{key}": value + (device == "s2") for device in ("", "s2") for key, value in weights.items()}
    save(both, run / "fit" / "weights.pt")  # as train.PerDevice keeps them
    given = words(made, "2025", "Smith_TAU_task1_1", tmp_path / "p.zip", "--half")
    code, text = told(*[run if word == str(made / "run") else word for word in given])
    assert code == 0, text
    assert told("check", tmp_path / "p.zip", "--year", "2025")[0] == 0
    with zipfile.ZipFile(tmp_path / "p.zip") as package:
        folder = "predictions/Smith_TAU_task1_1"
        meta = yaml.safe_load(package.read(f"{folder}/Smith_TAU_task1_1.meta.yaml"))
        package.extract(f"{folder}/model_state_dict.pt", tmp_path)
    assert meta["system"]["description"]["num_models_at_inference"] == 2
    state = torch.load(tmp_path / folder / "model_state_dict.pt")
    assert {name.partition(".")[0] for name in state} == {"general", "s2"}


def test_2025_refuses_a_network_that_the_package_cannot_rebuild(made, tmp_path):
    import torch

    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    weights = torch.load(run / "fit" / "weights.pt")
    name = next(iter(weights))
    save(weights | {name: weights[name][:-1]}, run / "fit" / "weights.pt")  # as a stage that cuts channels leaves it
    given = words(made, "2025", "Smith_TAU_task1_1", tmp_path / "p.zip")
    code, text = told(*[run if word == str(made / "run") else word for word in given])
    assert code == 1
    assert "the inference package cannot hold the stage fit" in text
    assert not (tmp_path / "p.zip").exists()


def test_only_zips_are_written(made):
    before = (made / "authors.yaml").read_bytes()
    code, text = told(*words(made, "2021", "Smith_TAU_task1a_1", made / "authors.yaml"))
    assert code == 1
    assert "--out takes the name of a .zip" in text
    assert (made / "authors.yaml").read_bytes() == before


def test_letters_that_a_terminal_would_act_on_are_escaped(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as package:
        package.writestr("a/../\x1b[2Jevil\udc80".encode("utf-8", "replace").decode(), b"")
    code, text = told("check", tmp_path / "p.zip", "--year", "2022")
    assert code == 1
    assert "\\x1b[2Jevil" in text
