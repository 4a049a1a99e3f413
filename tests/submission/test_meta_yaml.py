"""Meta files: what the run fills in, what is asked for, and what the official validators refuse."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import yaml

from tinyscene.errors import DataError
from tinyscene.submission import EDITIONS, check_meta, meta_text, read_author_file
from tinyscene.submission.meta_yaml import limit_counts, load_yaml


@pytest.mark.parametrize("year", EDITIONS)
def test_a_whole_meta_file_passes_and_reads_back(year, author, made):
    meta = made(year, author)
    again = yaml.safe_load(meta_text(meta, EDITIONS[year]))
    assert again == meta
    assert check_meta(again, EDITIONS[year], meta["submission"]["label"]) == []


def test_figures_are_the_ones_of_measure(author, made, measured):
    figures = measured(EDITIONS["2022"].classes)
    found = made("2022", author)["results"]["development_dataset"]
    assert found["overall"] == {"accuracy": 75.0, "logloss": round(figures["log_loss"], 4)}
    assert found["class_wise"]["bus"]["accuracy"] == 75.0
    assert list(found["device_wise"]) == ["a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6"]
    assert "device_wise" not in made("2020b", author)["results"]["development_dataset"]
    other = figures | {"macro_log_loss": 9.0}
    assert made("2021a", author, results={"": other})["results"]["development_dataset"]["overall"]["logloss"] == 9.0


def test_complexity_is_in_the_year_s_units(author, made):
    assert made("2020a", author)["system"]["complexity"] == {"total_parameters": 61_148}
    assert made("2020b", author)["system"]["complexity"]["model_size"] == 117.19  # 120,000 / 1024, up
    assert made("2021a", author)["system"]["complexity"]["model_size"] == 119.15  # 122,000 / 1024, up
    assert made("2022", author)["system"]["complexity"] == {
        "total_parameters": 61_148,
        "total_parameters_non_zero": 61_000,
        "memory_use": 62_000,
        "macs": 29_419_156,
    }
    assert limit_counts(made("2024", author), EDITIONS["2024"]) == {
        "parameters": 61_148,
        "bytes": 122_296,
        "macs_per_s": 29_419_156,
    }


def test_energy_is_given_or_null_with_a_word(author, made):
    meta = made("2023", author)
    assert meta["system"]["energy_consumption"] == {"training": None, "inference": None, "baseline_inference": None}
    assert meta_text(meta, EDITIONS["2023"]).startswith("# energy_consumption is null")
    author["system"]["energy_consumption"] = {"training": 0.21, "inference": 0.068, "baseline_inference": 0.1}
    meta = made("2023", author)
    assert meta["system"]["energy_consumption"]["inference"] == 0.068
    assert not meta_text(meta, EDITIONS["2023"]).startswith("#")
    author["system"]["energy_consumption"]["training"] = "much"
    with pytest.raises(DataError, match=r"energy_consumption.training: kWh or null is needed, 'much' came"):
        made("2023", author)


def test_the_author_file_goes_before_the_run(author, made):
    author["system"]["description"] = {"embeddings": "OpenL3"}
    author["system"]["complexity"] = {"total_parameters": 99}
    meta = made("2020a", author)
    assert meta["system"]["description"]["embeddings"] == "OpenL3"
    assert meta["system"]["description"]["acoustic_features"] == "words"
    assert meta["system"]["complexity"]["total_parameters"] == 99


def test_all_that_is_missing_is_named_at_once(author, made, measured):
    del author["submission"]["name"]
    del author["submission"]["authors"][1]["affiliation"]["location"]  # shared by both
    del author["system"]["source_code"]
    few = measured(EDITIONS["2022"].classes)
    del few["per_device"]["s6"]
    with pytest.raises(DataError) as caught:
        made("2022", author, complexity={}, results={"": few})
    text = str(caught.value)
    assert "author file" in text
    for part in (
        "submission: name missing",
        "author 1, affiliation: location missing",
        "author 2, affiliation: location missing",
        "system: source_code missing",
        "system.complexity: total_parameters, total_parameters_non_zero, memory_use, macs missing",
        "results.development_dataset.device_wise: s6 missing",
    ):
        assert part in text


def set_at(meta, path, value):
    *parents, last = path.split(".")
    for key in parents:
        meta = meta[int(key) if key.isdecimal() else key]
    if value is KeyError:
        del meta[last]
    else:
        meta[int(last) if last.isdecimal() else last] = value


@pytest.mark.parametrize(
    ("year", "path", "value", "told"),
    [
        ("2020a", "submission", KeyError, "submission: a block is needed"),
        ("2020a", "system", None, "system: a block is needed"),
        ("2020a", "results", [], "results: a block is needed, list came"),
        ("2020a", "submission.label", "Jones_TAU_task1a_1", "submission.label is 'Jones_TAU_task1a_1'; the"),
        ("2020a", "submission.abbreviation", "elevenchars", "at most 10 letters"),
        ("2020a", "submission.authors", [], "a list of one author"),
        ("2020a", "submission.authors.0.corresponding", False, "exactly one has 'corresponding: true'; 0 have"),
        ("2020a", "submission.authors.1.corresponding", True, "exactly one has 'corresponding: true'; 2 have"),
        ("2020a", "submission.authors.1.email", KeyError, "author 2: email missing"),
        ("2020a", "system.description.embeddings", KeyError, "system.description: embeddings missing"),
        ("2020a", "system.complexity.total_parameters", "many", "a whole number above 0 is needed, 'many' came"),
        ("2020a", "system.complexity.total_parameters", 1.5, "a whole number above 0 is needed, 1.5 came"),
        ("2020a", "system.complexity.total_parameters", None, "a whole number above 0 is needed, None came"),
        ("2020a", "system.external_datasets", None, "a list is needed"),
        ("2021a", "system.external_datasets", [{"name": "x"}], "set 1: url, total_audio_length missing"),
        ("2020b", "system.complexity.model_size", "9 KB", "a number of KB above 0 is needed"),
        ("2020b", "system.description.complexity_management", KeyError, "complexity_management missing"),
        ("2022", "system.description.pipeline", KeyError, "pipeline missing"),
        ("2022", "system.complexity.macs", KeyError, "system.complexity: macs missing"),
        ("2023", "system.energy_consumption", KeyError, "energy_consumption missing"),
        ("2023", "system.energy_consumption.inference", KeyError, "inference missing"),
        ("2022", "results.development_dataset.overall.accuracy", "good", "overall.accuracy: a number is needed"),
        ("2022", "results.development_dataset.overall.logloss", None, "overall.logloss: a number is needed"),
        ("2022", "results.development_dataset.overall.logloss", KeyError, "overall: logloss missing"),
        ("2022", "results.development_dataset.class_wise.bus", KeyError, "class_wise: bus missing"),
        ("2022", "results.development_dataset.class_wise.bus.accuracy", KeyError, "bus: accuracy missing"),
        ("2022", "results.development_dataset.device_wise", KeyError, "device_wise missing"),
        ("2024", "results.development_dataset.split_25", KeyError, "split_25 missing"),
        ("2024", "results.development_dataset.split_25.overall.accuracy", True, "a number is needed, True came"),
        ("2024", "system.description.split_adaptations", KeyError, "split_adaptations missing"),
        ("2025", "system.inference_code", None, "inference_code: the address"),
        ("2020a", "submission.abbreviation", ["x"], "submission.abbreviation: words are needed"),
        ("2020a", "system.complexity.total_parameters", float("nan"), "a whole number above 0 is needed, nan came"),
        ("2020a", "system.complexity.total_parameters", 10**400, "a whole number above 0 is needed, 1000"),
        # ours
        ("2023", "system.complexity.macs", 0, "a whole number above 0 is needed, 0 came"),
        ("2022", "system.complexity.total_parameters_non_zero", 61_149, "61,149 of 61,148 parameters cannot be non-z"),
        ("2022", "system.complexity.memory_use", 4 * 61_148, "244,592 bytes for 61,148 parameters are a float network"),
        ("2022", "system.complexity.memory_use", 2 * 61_148, "2022 takes int8 ones only. Make one: tinyscene compress"),
        (
            "2022",
            "results.development_dataset.overall.accuracy",
            0.75,
            "overall: accuracy is given as a fraction (0.75",
        ),
        ("2022", "results.development_dataset.overall.accuracy", 100.01, "overall.accuracy: per cent, 0 to 100"),
        ("2024", "results.development_dataset.split_5.device_wise.s6.accuracy", -1, "s6.accuracy: per cent, 0 to 100"),
        ("2022", "results.development_dataset.overall.logloss", -0.1, "overall.logloss: 0 or more is needed, -0.1"),
        ("2025", "system.description.model_weight_sharing", KeyError, "model_weight_sharing missing"),
        ("2025", "results.development_dataset.general", KeyError, "general missing"),
    ],
)
def test_what_the_validators_refuse(year, path, value, told, author, made):
    meta = copy.deepcopy(made(year, author))
    set_at(meta, path, value)
    problems = check_meta(meta, EDITIONS[year], f"Smith_TAU_{EDITIONS[year].task}_1")
    assert len(problems) == 1
    assert told in problems[0]


@pytest.mark.parametrize(
    ("year", "path", "value"),
    [
        ("2021a", "system.external_datasets", None),
        ("2022", "results.development_dataset.device_wise", None),
        ("2024", "results.development_dataset.split_5.overall.logloss", None),
        ("2022", "system.description.embeddings", None),
        ("2022", "system.complexity.memory_use", 2 * 61_148 - 1),
        ("2023", "system.complexity.memory_use", 4 * 61_148),  # any number type
        ("2022", "results.development_dataset.class_wise.bus.accuracy", 0.9),  # per cent: hardly ever found
        ("2022", "results.development_dataset.overall.accuracy", 100),
    ],
)
def test_what_the_validators_let_pass(year, path, value, author, made):
    meta = copy.deepcopy(made(year, author))
    set_at(meta, path, value)
    assert check_meta(meta, EDITIONS[year], f"Smith_TAU_{EDITIONS[year].task}_1") == []


def test_fractions_are_told_of_each_part(author, made):
    meta = made("2022", author)
    for row in meta["results"]["development_dataset"]["class_wise"].values():
        row["accuracy"] /= 100
    (problem,) = check_meta(meta, EDITIONS["2022"], "Smith_TAU_task1_1")
    assert problem.startswith("results.development_dataset.class_wise: accuracy is given as a fraction")


def test_values_that_hold_ever_more_are_shown_short(author, made):
    meta = made("2022", author)
    bomb: list = ["x"]
    for _ in range(60):  # written out, 10^60 letters
        bomb = [bomb] * 10
    meta["submission"] |= {"label": bomb, "name": bomb}
    meta["system"]["complexity"]["macs"] = bomb
    problems = check_meta(meta, EDITIONS["2022"], "Smith_TAU_task1_1")
    assert len(problems) == 3
    assert max(map(len, problems)) < 1_000


def test_notes_are_comments_at_the_head(author, made):
    meta = made("2023", author)
    text = meta_text(meta, EDITIONS["2023"], ["one", "two"])
    assert text.startswith("# one\n# two\n# energy_consumption is null")
    assert yaml.safe_load(text) == meta


def test_many_problems_are_counted(author, made):
    meta = made("2024", author)
    for block in meta["results"]["development_dataset"].values():
        for row in block["class_wise"].values():
            row["accuracy"] = "x"
    problems = check_meta(meta, EDITIONS["2024"], meta["submission"]["label"])
    assert problems[-1].startswith("and ")
    assert len(problems) == 21


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1", "is no YAML"),
        ("- 1", "must hold blocks"),
        ("", "must hold blocks"),
        ("a: !!python/object/apply:os.system [ls]", "is no YAML"),
        ("\x07", "is no YAML: [^\n]*$"),
    ],
)
def test_author_files_that_cannot_be_used(tmp_path, text, told):
    path = tmp_path / "authors.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=told):
        read_author_file(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_author_file(tmp_path / "none.yaml")
    with pytest.raises(DataError, match="at most"):
        load_yaml(b" " * 1_000_001, "x")


def test_a_year_is_data(author, made):
    edition = replace(EDITIONS["2022"], description=("input_sampling_rate", "colour"))
    meta = made("2022", author)
    assert check_meta(meta, edition, "Smith_TAU_task1_1") == ["system.description: colour missing"]
