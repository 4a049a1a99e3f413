"""The verbs compare, ensemble and calibrate: what they print and write, and what they refuse before they write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from tinyscene.evaluate import Predictions

CLASSES = ("bus", "park", "tram")
WEIGHTED = ("--rule", "weighted", "--held-out", "one.csv", "--held-out", "two.csv")


def predictions(seed: int, n: int = 40, part: str = "test") -> Predictions:
    target = np.arange(n) % 3
    odds = 1.5 * np.eye(3)[target] + np.random.default_rng([seed, n]).normal(0, 1, (n, 3))
    files = [f"{part}/{i}.wav" for i in range(n)]
    return Predictions(CLASSES, softmax(odds, axis=1), target, files, recordings=[f"{part}{i // 4}" for i in range(n)])


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """one, two: on test files; held-one, held-two: on others."""
    found = {}
    for seed, name in enumerate(("one", "two")):
        predictions(seed).write_csv(tmp_path / f"{name}.csv")
        predictions(seed, 36, "held").write_csv(tmp_path / f"held-{name}.csv")
        found |= {name: tmp_path / f"{name}.csv", f"held-{name}": tmp_path / f"held-{name}.csv"}
    return found


@pytest.fixture
def mine(run: Path, tmp_path: Path) -> Path:
    """The whole run, to change."""
    return Path(shutil.copytree(run, tmp_path / "mine"))


def test_compare_prints_a_table_and_writes_two(tinyscene, files, tmp_path: Path):
    markdown, latex = tmp_path / "x.md", tmp_path / "x.tex"
    answer = tinyscene("compare", files["one"], files["two"], "--markdown", markdown, "--latex", latex)
    assert answer.code == 0, answer.err
    assert [line.split()[0] for line in answer.out.splitlines()[:3]] == ["system", "one", "two"]
    assert "40 files, 10 recordings" in answer.out
    assert markdown.read_text().startswith("| system | accuracy % |")
    assert latex.read_text().startswith(r"\begin{tabular}")


def test_compare_as_json_and_its_seed(tinyscene, files):
    words = ("compare", files["one"], files["two"], "--json")
    one, same, other = (json.loads(tinyscene(*words, "--seed", seed).out) for seed in (0, 0, 1))
    assert one == same
    assert one["pairs"][0]["p_value"] == other["pairs"][0]["p_value"], "of ten recordings it is exact"
    assert one["pairs"][0]["confidence_interval"] != other["pairs"][0]["confidence_interval"]


def test_names_are_short_where_they_tell_apart(tinyscene, files, tmp_path: Path):
    (tmp_path / "deep").mkdir()
    twin = Path(shutil.copy(files["one"], tmp_path / "deep" / "one.csv"))
    said = json.loads(tinyscene("compare", files["one"], twin, files["two"], "--json").out)
    assert list(said["systems"]) == [str(files["one"]), str(twin), "two"]


def test_a_run_is_its_last_stage_and_stands_beside_a_file(tinyscene, run, tmp_path: Path):
    answer = tinyscene("compare", run, run / "fit" / "predictions.csv", "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)["systems"]
    stages = json.loads((run / "evaluation.json").read_text())["stages"]
    assert said["run"]["accuracy"] == pytest.approx(stages["int8"]["accuracy"])
    assert said["predictions"]["log_loss"] == pytest.approx(stages["fit"]["log_loss"])
    assert "note:" not in answer.err


def test_a_stage_that_was_not_measured_is_told(tinyscene, run, mine):
    (mine / "later").mkdir()
    shutil.copy(mine / "int8" / "weights.pt", mine / "later")
    answer = tinyscene("compare", run, mine)
    assert answer.code == 0
    assert f"note: {mine} is taken at its stage int8; the stage later was not measured" in answer.err


def test_a_run_on_all_clips_is_told(tinyscene, run, mine):
    facts = json.loads((mine / "evaluation.json").read_text())
    facts["data"]["split"] = "all clips train, those of the test part too: figures on them are no measure"
    (mine / "evaluation.json").write_text(json.dumps(facts))
    assert f"note: {mine}: all clips train" in tinyscene("compare", run, mine).err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("compare", "one.csv"), "compare takes two runs or predictions or more; 1 came"),
        (("compare", "one.csv", "./one.csv"), "each system may be named once"),
        (("compare", "one.csv", "nothing"), "nothing does not exist; name a run folder, or a CSV"),
        (("compare", "one.csv", "."), "has no evaluation.json; measure it first: tinyscene evaluate ."),
        (("compare", "one.csv", "held-one.csv"), "are of different files: 40 only in one, first test/0.wav"),
        (("compare", "one.csv", "a.flac"), "a.flac is no text; name a run folder, or a CSV"),
        (("compare", "one.csv", "two.csv", "--markdown", "a.flac"), "--markdown takes the name of a .md to write; a.f"),
        (("compare", "one.csv", "two.csv", "--latex", "two.csv"), "--latex takes the name of a .tex to write; two.csv"),
        (("compare", "one.csv", "two.csv", "--markdown", "a.md", "--latex", "no/c.tex"), "no/c.tex cannot be written"),
        (("ensemble", "one.csv", "two.csv", "--out", "a.flac"), "--out takes the name of a .csv to write; a.flac came"),
        (("calibrate", ".", "--unknown-below", "nan"), "--unknown-below takes 0 to 1; nan came"),
        (("ensemble", "one.csv", "--out", "x.csv"), "ensemble takes two runs or predictions or more; 1 came"),
        (("ensemble", "one.csv", "two.csv", "--out", "one.csv"), "--out takes another place than one.csv"),
        (("ensemble", "one.csv", "two.csv", "--out", "x.csv", "--rule", "maen"), "Did you mean 'mean'?"),
        (("ensemble", "one.csv", "two.csv", "--out", "x.csv", "--rule", "bayesian"), "--held-out once for each of 2"),
        (("ensemble", "one.csv", "two.csv", "--out", "x.csv", "--held-out", "held-one.csv"), "'mean' fits nothing"),
        (
            (*("ensemble", "one.csv", "two.csv", "--out", "x.csv"), *WEIGHTED),
            "test/0.wav",
        ),
        (("ensemble", "one.csv", "two.csv", "--out", "no/x.csv"), "no/x.csv cannot be written"),
    ],
)
def test_what_is_refused_writes_nothing(tinyscene, files, monkeypatch, words, told):
    monkeypatch.chdir(files["one"].parent)
    Path("a.flac").write_bytes(b"fLaC\x00\x00\x00\x22\x1b[31m")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    answer = tinyscene(*words)
    assert answer.code == 2
    assert told in answer.err
    assert len(answer.err.splitlines()) == 1
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_the_mean_of_two(tinyscene, files, tmp_path: Path):
    answer = tinyscene("ensemble", files["one"], files["two"], "--out", tmp_path / "both.csv")
    assert answer.code == 0, answer.err
    both, *each = (Predictions.read_csv(tmp_path / f"{name}.csv") for name in ("both", "one", "two"))
    np.testing.assert_allclose(both.probabilities, (each[0].probabilities + each[1].probabilities) / 2, rtol=1e-12)
    assert "together" in answer.err
    assert tinyscene("compare", tmp_path / "both.csv", files["one"]).code == 0


def test_a_rule_with_weights_is_fitted_on_other_files(tinyscene, files, tmp_path: Path):
    words = ("--held-out", files["held-one"], "--held-out", files["held-two"])
    answer = tinyscene(
        "ensemble", files["one"], files["two"], "--out", tmp_path / "x.csv", "--rule", "weighted-bias", *words
    )
    assert answer.code == 0, answer.err
    assert "bias: bus " in answer.err
    assert len([line for line in answer.err.splitlines() if line.startswith("weight ")]) == 2


def test_runs_know_what_they_held_out(tinyscene, run, mine, tmp_path: Path):
    """Both runs are one run: whatever is fitted, what they say together is what each says."""
    answer = tinyscene("ensemble", run, mine, "--out", tmp_path / "x.csv", "--rule", "weighted")
    assert answer.code == 0, answer.err
    alone, both = Predictions.read_csv(run / "int8" / "predictions.csv"), Predictions.read_csv(tmp_path / "x.csv")
    np.testing.assert_allclose(both.probabilities, alone.probabilities, rtol=1e-5)
    mixed = tinyscene(
        "ensemble", run, run / "fit" / "predictions.csv", "--out", tmp_path / "y.csv", "--rule", "weighted"
    )
    assert "or run folders alone, which know what they held out; 0 came" in mixed.err


def test_calibrate_a_stage_and_nothing_that_is_not_there(tinyscene, mine, tmp_path: Path):
    before = (mine / "fit" / "predictions.csv").read_bytes()
    answer = tinyscene("calibrate", mine, "--stage", "fit")
    assert answer.code == 0, answer.err
    t = json.loads((mine / "fit" / "temperature.json").read_text())["temperature"]
    assert f"at temperature {t:.3f}" in answer.out
    cold, warm = (Predictions.read_csv(mine / "fit" / f"predictions{end}.csv") for end in ("", "-calibrated"))
    powers = cold.probabilities ** (1 / t)
    np.testing.assert_allclose(warm.probabilities, powers / powers.sum(1, keepdims=True), rtol=1e-6, atol=1e-12)
    assert (mine / "fit" / "predictions.csv").read_bytes() == before
    assert "Did you mean 'int8'?" in tinyscene("calibrate", mine, "--stage", "int9").err
    assert "is no run folder" in tinyscene("calibrate", tmp_path / "nowhere").err
    (mine / "int8" / "predictions.csv").unlink()
    assert "has no predictions yet; measure them first" in tinyscene("calibrate", mine).err
